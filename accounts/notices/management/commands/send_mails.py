"""`manage.py send_mails`: send the mails that are due now, as the schedule does each minute."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.notices.services.mails import run_mails

LIMIT_DEFAULT = 1000


class Command(BaseCommand):
    """The command, for operators and for installations with their own scheduler."""

    help = "Send the mails that are due; safe to run twice and at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=LIMIT_DEFAULT, help="At most this many mails.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send the mails, and print how many were sent and how many need staff."""
        run = run_mails(started_by="command", as_of=timezone.now(), limit=options["limit"])
        facts = run.summary
        self.stdout.write(f"{facts['sent']} sent, {facts['failed']} failed, {facts['unknown']} unknown")
