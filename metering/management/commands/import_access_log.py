"""`manage.py import_access_log`: meter the requests of an existing access log.

With --follow it goes on with what is added, over rotations, until it is stopped. A folder is read file by file.
It is safe to run again at any time, on the same file, after it has grown, or after an interruption: known lines are
skipped. Exit status: 0 all lines are metered, 1 some are not or nothing could be done, 130 interrupted.
"""

import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from types import FrameType
from typing import Any, BinaryIO, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.errors import NotFoundError, ProblemError
from accounts.management.progress import progress
from accounts.models import ApiKey, Tenant
from accounts.selectors.tenants import tenant_by_slug
from metering.domain.access_log import AccessRecord
from metering.domain.import_totals import BadLineFound, ImportTotals
from metering.domain.log_formats.registry import NAMES, format_named
from metering.gateways.log_stores import LocalLogs, LogStore
from metering.gateways.s3_logs import SCHEME, MissingLibraryError, S3Logs
from metering.selectors.ledgers import half_of
from metering.selectors.usage import api_key_id_of
from metering.services.access_log_import import INTERRUPTED, Preview, import_access_log, preview_access_log
from metering.services.log_following import FollowedLines, Follower, start_following
from metering.services.log_requests import AccessLog, LogRequest

STANDARD_INPUT: Final = "-"
DETECTED: Final = "auto"
BAD_LINES_SHOWN: Final = 20
INTERRUPTED_STATUS: Final = 130
ACTOR: Final = Actor.system("manage.py import_access_log")
# How soon a stop is noticed between two looks.
TICK_SECONDS: Final = 0.1
_MAPPING: Final = re.compile(r"(?P<field>[a-z_]+)=(?P<place>.+)", re.DOTALL)


class Command(BaseCommand):
    """The command that meters an existing access log."""

    help = "Meter the requests of an access log, of any usual server or gateway, plain or packed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file, its tenant and its format."""
        parser.add_argument(
            "file", metavar="FILE", help="The log, a folder of logs, s3://bucket/prefix, or - for the standard input."
        )
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="The tenant whose requests these are.")
        parser.add_argument(
            "--format", choices=[DETECTED, *NAMES], default=DETECTED, help="By default detected by the first lines."
        )
        parser.add_argument(
            "--zone", metavar="ZONE", help="The zone of times without an offset, as HAProxy's: Europe/Berlin."
        )
        parser.add_argument(
            "--follow", action="store_true", help="Go on with what is added to the log, or the folder, until stopped."
        )
        parser.add_argument(
            "--poll",
            type=float,
            default=2.0,
            metavar="SECONDS",
            help="How long to wait between two looks. By default 2.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Store nothing: print the format, five records and refused lines."
        )
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=PLACE",
            help=f"The place of a field in JSON: status=response.code. Fields: {', '.join(AccessRecord._fields)}.",
        )
        parser.add_argument(
            "--key", metavar="PREFIX", help="Attribute the requests to this key: its id or its first 12 characters."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the log, and print the result."""
        log = log_of(options)
        if options["follow"] or options["file"].startswith(SCHEME) or Path(options["file"]).is_dir():
            self._follow(log, options)
            return
        with (
            opened(options["file"]) as (stream, size),
            interruption() as is_interrupted,
            progress(self.stdout) as show,
        ):
            started, as_of = monotonic(), timezone.now()
            try:
                if options["dry_run"]:
                    preview = preview_access_log(log=log, stream=stream, as_of=as_of, is_interrupted=is_interrupted)
                    self.stdout.write(previewed(preview))
                    return
                totals = import_access_log(
                    log=log,
                    stream=stream,
                    actor=ACTOR,
                    as_of=as_of,
                    on_progress=lambda done: show(f"{done.lines:,} lines", done.bytes_read, size),
                    is_interrupted=is_interrupted,
                )
            except (OperationalError, InterfaceError) as error:
                raise CommandError(
                    f"The database stopped responding. Import the file again to continue. ({error})"
                ) from error
            except OSError as error:
                raise CommandError(
                    f"The file could not be read to its end: {error}. Import it again to continue."
                ) from error
        self._report(totals, monotonic() - started)
        if totals.stopped == INTERRUPTED:
            sys.exit(INTERRUPTED_STATUS)
        if totals.bad or totals.stopped:
            sys.exit(1)

    def _follow(self, log: AccessLog, options: Mapping[str, Any]) -> None:
        """Read what is new, again and again with --follow; a folder without it is looked through once."""
        if options["file"] == STANDARD_INPUT or options["dry_run"]:
            raise CommandError("--follow takes a file or a folder, and --dry-run a single file.")
        location, store = store_of(options["file"])
        refused = 0
        with interruption() as is_interrupted:
            try:
                source = start_following(log=replace(log, name=location), actor=ACTOR, as_of=timezone.now())
                with Follower(log, source, store) as follower:
                    while not is_interrupted():
                        found = follower.read_new(as_of=timezone.now(), is_interrupted=is_interrupted)
                        refused += found.refused
                        self._report_pass(found)
                        if not options["follow"]:
                            break
                        wait(options["poll"], is_interrupted)
            except (OperationalError, InterfaceError) as error:
                raise CommandError(f"The database stopped responding. Start again to continue. ({error})") from error
            except OSError as error:
                raise CommandError(f"{location} could not be read: {error}. Start again to continue.") from error
        if refused and not options["follow"]:
            sys.exit(1)

    def _report_pass(self, found: FollowedLines) -> None:
        for line in found.refused_lines[:BAD_LINES_SHOWN]:
            self.stderr.write(line)
        if found.lines:
            self.stdout.write(
                f"{found.lines:,} lines: {found.accepted:,} accepted, {found.duplicates:,} duplicates, "
                f"{found.refused:,} refused"
            )
            self.stdout.flush()

    def _report(self, totals: ImportTotals, seconds: float) -> None:
        self._report_lines(totals.bad_lines, totals.bad, "bad lines")
        self._report_lines(totals.repeated_lines, totals.repeated, "repeated lines")
        if totals.unfinished:
            self.stderr.write("The last line has no line end. It may be incomplete, so it is left for the next import.")
        if totals.stopped:
            self.stderr.write(
                f"Stopped after line {totals.lines:,}: {totals.stopped.rstrip('.')}. Import the file again to continue."
            )
        self.stdout.write(described(totals, seconds))

    def _report_lines(self, lines: list[BadLineFound], total: int, what: str) -> None:
        for line in lines[:BAD_LINES_SHOWN]:
            self.stderr.write(f"line {line.number}: {line.reason}")
        if total > BAD_LINES_SHOWN:
            self.stderr.write(f"… and {total - BAD_LINES_SHOWN:,} more {what}")


def log_of(options: Mapping[str, Any]) -> AccessLog:
    """Return the log that the options describe. Raises `CommandError` with a sentence."""
    name = None if options["format"] == DETECTED else options["format"]
    if options["map"] and name is not None and format_named(name).places is None:
        raise CommandError(f"--map applies to JSON lines, and --format {name} excludes them.")
    try:
        tenant = tenant_by_slug(options["tenant"])
    except NotFoundError as error:
        raise CommandError(f"There is no tenant {options['tenant']!r}.") from error
    key = key_of(tenant, options["key"])
    return AccessLog(
        ledger=half_of(tenant, is_live=key is None or key.kind != KeyKind.TEST),
        name="standard input" if options["file"] == STANDARD_INPUT else Path(options["file"]).name,
        format=name,
        places=places_of(options["map"]),
        zone=zone_of(options["zone"]),
        api_key_id=None if key is None else key.pk,
    )


def places_of(mappings: list[str]) -> dict[str, str]:
    """Read `--map`. Raises `CommandError`."""
    places = {}
    for text in mappings:
        shape = _MAPPING.fullmatch(text)
        if shape is None or shape["field"] not in AccessRecord._fields:
            raise CommandError(f"--map {text!r} is not FIELD=PLACE with a field of: {', '.join(AccessRecord._fields)}.")
        places[shape["field"]] = shape["place"]
    return places


def zone_of(name: str | None) -> ZoneInfo | None:
    """Read `--zone`. Raises `CommandError`."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CommandError(f"--zone {name!r} is no time zone, such as Europe/Berlin.") from error


def key_of(tenant: Tenant, name: str | None) -> ApiKey | None:
    """Return the key that the requests are attributed to. Raises `CommandError`."""
    if name is None:
        return None
    try:
        return ApiKey.objects.get(pk=api_key_id_of(tenant_id=tenant.pk, text=name))
    except ProblemError as error:
        raise CommandError(f"--key {name}: {error.detail}") from error


def store_of(name: str) -> tuple[str, LogStore]:
    """Return the place of logs and the store that reads it. Raises `CommandError`."""
    if not name.startswith(SCHEME):
        path = Path(name).absolute()
        return str(path), LocalLogs(path)
    try:
        return name.rstrip("/"), S3Logs(name)
    except MissingLibraryError as error:
        raise CommandError(str(error)) from error


@contextmanager
def opened(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open the log. Yields the stream and its size in bytes, if known. Raises `CommandError`."""
    if name == STANDARD_INPUT:
        yield sys.stdin.buffer, None
        return
    path = Path(name)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
    with stream:
        yield stream, path.stat().st_size


def wait(seconds: float, is_interrupted: Callable[[], bool]) -> None:
    """Wait, or return as soon as the operator stops the command."""
    deadline = monotonic() + seconds
    while not is_interrupted() and monotonic() < deadline:
        sleep(min(TICK_SECONDS, seconds))


@contextmanager
def interruption() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether the operator pressed Ctrl+C.

    The batch that is being stored is finished first; a second Ctrl+C stops at once.
    """
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def previewed(preview: Preview) -> str:
    """Format a preview: the format, the first records, and what would be refused."""
    totals = preview.totals
    reasons = [f"refused     {number:,}  {reason}" for reason, number in totals.bad_by_reason.most_common()]
    rows = (
        f"format      {totals.format or 'unknown'}",
        *(record_row(request) for request in preview.first),
        described(totals),
        *reasons,
        f"stopped     {totals.stopped}" if totals.stopped else "",
        "Nothing was stored.",
    )
    return "\n".join(row for row in rows if row)


def record_row(request: LogRequest) -> str:
    """Format a record as it was read, field by field."""
    values = request.record._asdict() | {
        "request_id": request.event.id,
        "request_time": request.event.occurred_at.isoformat(),
    }
    fields = "  ".join(f"{name}={'-' if value is None else value}" for name, value in values.items())
    return f"line {request.line_number:<6} {fields}"


def described(totals: ImportTotals, seconds: float | None = None) -> str:
    """Format the totals, one a line; with a speed if `seconds` were needed to store them."""
    span = f"{totals.first_at:%Y-%m-%dT%H:%M:%SZ} to {totals.last_at:%Y-%m-%dT%H:%M:%SZ}" if totals.first_at else "-"
    rows: list[tuple[str, str] | None] = [("lines", f"{totals.lines:,}")]
    if seconds is not None:
        rows += [("accepted", f"{totals.accepted:,}"), ("duplicates", f"{totals.duplicates:,}")]
    rows += [
        ("bad", f"{totals.bad:,}"),
        ("blank", f"{totals.blank:,}") if totals.blank else None,
        ("headers", f"{totals.headers:,}") if totals.headers else None,
        ("unfinished", f"{totals.unfinished:,}") if totals.unfinished else None,
        ("identical", f"{totals.identical:,}") if totals.identical else None,
        ("repeated", f"{totals.repeated:,}") if totals.repeated else None,
        ("bytes", f"{totals.response_bytes:,}"),
        ("span", span),
    ]
    if seconds is not None:
        rate = int((totals.accepted + totals.duplicates) / max(seconds, 0.001))
        rows.append(("speed", f"{rate:,} events/s over {seconds:.1f} s"))
        rows.append(("format", totals.format) if totals.format else None)
    return "\n".join(f"{row[0]:<12}{row[1]}" for row in rows if row)
