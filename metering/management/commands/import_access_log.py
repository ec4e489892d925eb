"""`manage.py import_access_log`: meter the requests of an existing access log.

It is safe to run again at any time, on the same file, after it has grown, or after an interruption: known lines are
skipped. Exit status: 0 all lines are metered, 1 some are not or nothing could be done, 130 interrupted.
"""

import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any, BinaryIO, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.errors import NotFoundError, ProblemError
from accounts.management.progress import progress
from accounts.models import ApiKey, Tenant
from accounts.selectors.tenants import tenant_by_slug
from metering.domain.access_log import API_GATEWAY_FIELDS
from metering.domain.ledger import Ledger
from metering.selectors.usage import api_key_id_of
from metering.services.access_log_import import INTERRUPTED, AccessLogImport, ImportTotals, LogFormat, import_access_log

STANDARD_INPUT: Final = "-"
BAD_LINES_SHOWN: Final = 20
INTERRUPTED_STATUS: Final = 130
_MAPPING: Final = re.compile(r"(?P<field>[a-z_]+)=(?P<place>.+)", re.DOTALL)


class Command(BaseCommand):
    """The command that meters an existing access log."""

    help = "Meter the requests of an access log: common or combined log format, or JSON lines; plain or gzip."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file, its tenant and its format."""
        parser.add_argument("file", metavar="FILE", help="The log, or - for the standard input. Gzip is detected.")
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="The tenant whose requests these are.")
        formats = [one.value for one in LogFormat]
        parser.add_argument(
            "--format", choices=formats, default=LogFormat.AUTO.value, help="By default detected for each line."
        )
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=PLACE",
            help=f"The place of a field in JSON lines, such as status=response.code. {', '.join(API_GATEWAY_FIELDS)}.",
        )
        parser.add_argument(
            "--key", metavar="PREFIX", help="Attribute the requests to this key: its id or its first 12 characters."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the log, and print the result."""
        job = job_of(options)
        with (
            opened(options["file"]) as (stream, size),
            interruption() as is_interrupted,
            progress(self.stdout) as show,
        ):
            started = monotonic()
            try:
                totals = import_access_log(
                    job=job,
                    stream=stream,
                    actor=Actor.system(f"manage.py {__name__.rpartition('.')[2]}"),
                    as_of=timezone.now(),
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

    def _report(self, totals: ImportTotals, seconds: float) -> None:
        for line in totals.bad_lines[:BAD_LINES_SHOWN]:
            self.stderr.write(f"line {line.number}: {line.reason}")
        if totals.bad > BAD_LINES_SHOWN:
            self.stderr.write(f"… and {totals.bad - BAD_LINES_SHOWN:,} more bad lines")
        if totals.unfinished:
            self.stderr.write("The last line has no line end. It may be incomplete, so it is left for the next import.")
        if totals.stopped:
            self.stderr.write(
                f"Stopped after line {totals.lines:,}: {totals.stopped.rstrip('.')}. Import the file again to continue."
            )
        self.stdout.write(described(totals, seconds))


def job_of(options: Mapping[str, Any]) -> AccessLogImport:
    """Return the import that the options describe. Raises `CommandError` with a sentence."""
    fields = dict(API_GATEWAY_FIELDS) | fields_of(options["map"])
    if options["map"] and options["format"] == LogFormat.COMBINED:
        raise CommandError("--map applies to JSON lines, and --format combined excludes them.")
    try:
        tenant = tenant_by_slug(options["tenant"])
    except NotFoundError as error:
        raise CommandError(f"There is no tenant {options['tenant']!r}.") from error
    key = key_of(tenant, options["key"])
    return AccessLogImport(
        ledger=Ledger(tenant.pk, key is None or key.kind != KeyKind.TEST, tenant.time_zone, tenant.backfill_days),
        name="standard input" if options["file"] == STANDARD_INPUT else Path(options["file"]).name,
        format=LogFormat(options["format"]),
        fields=fields,
        api_key_id=None if key is None else key.pk,
    )


def fields_of(mappings: list[str]) -> dict[str, str]:
    """Read `--map`. Raises `CommandError`."""
    fields = {}
    for text in mappings:
        shape = _MAPPING.fullmatch(text)
        if shape is None or shape["field"] not in API_GATEWAY_FIELDS:
            raise CommandError(f"--map {text!r} is not FIELD=PLACE with a field of: {', '.join(API_GATEWAY_FIELDS)}.")
        fields[shape["field"]] = shape["place"]
    return fields


def key_of(tenant: Tenant, name: str | None) -> ApiKey | None:
    """Return the key that the requests are attributed to. Raises `CommandError`."""
    if name is None:
        return None
    try:
        return ApiKey.objects.get(pk=api_key_id_of(tenant_id=tenant.pk, text=name))
    except ProblemError as error:
        raise CommandError(f"--key {name}: {error.detail}") from error


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


def described(totals: ImportTotals, seconds: float) -> str:
    """Format the totals, one a line."""
    rate = int((totals.accepted + totals.duplicates) / max(seconds, 0.001))
    span = f"{totals.first_at:%Y-%m-%dT%H:%M:%SZ} to {totals.last_at:%Y-%m-%dT%H:%M:%SZ}" if totals.first_at else "-"
    rows = [
        ("lines", f"{totals.lines:,}"),
        ("accepted", f"{totals.accepted:,}"),
        ("duplicates", f"{totals.duplicates:,}"),
        ("bad", f"{totals.bad:,}"),
        ("blank", f"{totals.blank:,}") if totals.blank else None,
        ("unfinished", f"{totals.unfinished:,}") if totals.unfinished else None,
        ("bytes", f"{totals.response_bytes:,}"),
        ("span", span),
        ("speed", f"{rate:,} events/s over {seconds:.1f} s"),
    ]
    return "\n".join(f"{row[0]:<12}{row[1]}" for row in rows if row)
