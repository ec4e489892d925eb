"""`manage.py send_events`: send events, one a line as JSON, from a file or a pipe.

Without `--url` they are stored in this installation's database, with it they are sent to that installation. It is safe
to run again with the same lines. Exit status: 0 all are stored, 1 some are refused or nothing could be done, 130
interrupted.
"""

import os
import sys
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts.domain.scopes import Scope
from accounts.errors import ProblemError
from accounts.management.progress import progress
from accounts.selectors.api_keys import find_principal
from metering.gateways.event_api import EventApi, SendingFailedError
from metering.gateways.log_lines import LogLines, UnreadableLogError
from metering.management.commands.import_access_log import INTERRUPTED_STATUS, interruption, opened
from metering.services.event_sending import Send, SendingTotals, send_lines, store_here

KEY_VARIABLE: Final = "COUNTINGHOUSE_API_KEY"
FAILURES: Final = (OperationalError, InterfaceError, SendingFailedError, UnreadableLogError, ProblemError, OSError)


class Command(BaseCommand):
    """The command that sends events from a file or a pipe."""

    help = "Send events, one a line as JSON, from a file or a pipe; again with the same lines at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file, the key and the address."""
        parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="By default the standard input.")
        parser.add_argument("--key", metavar="SECRET", help=f"The API key; better in the variable {KEY_VARIABLE}.")
        parser.add_argument("--url", help="The address of another installation, such as https://billing.example.com.")
        parser.add_argument("--from-line", type=int, default=1, metavar="N", help="Leave out the lines before it.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send the lines, and print the totals."""
        send, started, known = send_of(options), monotonic(), SendingTotals()
        failure = ""
        with opened(options["file"]) as (stream, size), interruption() as is_interrupted, progress(self.stdout) as show:
            lines = LogLines(stream)

            def note(totals: SendingTotals) -> None:
                nonlocal known
                known = totals
                show(f"{totals.last_line:,} lines", lines.bytes_read, size)

            try:
                known = send_lines(
                    lines=lines,
                    send=send,
                    first_line=options["from_line"],
                    on_progress=note,
                    is_interrupted=is_interrupted,
                )
            except FAILURES as error:
                failure = str(error)
            was_interrupted = is_interrupted()
        for line in known.first_refused:
            self.stderr.write(f"line {line.number}: {line.reason}")
        if failure or was_interrupted:
            self.stderr.write(
                f"Stopped after line {known.last_line:,}. Continue with --from-line {known.last_line + 1}."
            )
        self.stdout.write(described(known, monotonic() - started))
        if failure:
            raise CommandError(failure)
        if was_interrupted:
            sys.exit(INTERRUPTED_STATUS)
        if known.refused:
            sys.exit(1)


def send_of(options: Mapping[str, Any]) -> Send:
    """Return the function that sends a batch. Raises `CommandError` if the key is missing or wrong."""
    secret = options["key"] or os.environ.get(KEY_VARIABLE, "")
    if not secret:
        raise CommandError(f"Set {KEY_VARIABLE}, or give --key.")
    if options["url"]:
        return EventApi(options["url"], secret).send
    principal = find_principal(secret, timezone.now())
    if principal is None or principal.tenant is None:
        raise CommandError("The key is unknown, revoked, or a service key. Use a key of the tenant.")
    if Scope.EVENTS_WRITE not in principal.scopes or not principal.tenant.is_active:
        raise CommandError("The key lacks the scope events:write, or its tenant is suspended or closed.")
    return store_here(
        principal=principal, tenant=principal.tenant, request_id="manage.py send_events", as_of=timezone.now
    )


def described(totals: SendingTotals, seconds: float) -> str:
    """Format the totals, one a line."""
    rate = int((totals.accepted + totals.duplicates) / max(seconds, 0.001))
    rows = [
        ("accepted", f"{totals.accepted:,}"),
        ("duplicates", f"{totals.duplicates:,}"),
        ("refused", f"{totals.refused:,}"),
        ("speed", f"{rate:,} events/s over {seconds:.1f} s"),
    ]
    return "\n".join(f"{name:<12}{text}" for name, text in rows)
