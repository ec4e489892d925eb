"""`manage.py send_channels`: send what is due to channels now, as the schedule does each minute."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.channels.services.sending import send_channels


class Command(BaseCommand):
    """The command, for operators and for installations with their own scheduler."""

    help = "Send the notices that are due to channels; safe to run twice and at once."

    def handle(self, *args: Any, **options: Any) -> None:
        """Send, and print how many messages were sent, failed or are unknown, and how many are tried again."""
        sent = send_channels(clock=timezone.now)
        self.stdout.write(
            f"{sent.sent} sent, {sent.failed} failed, {sent.unknown} unknown, {sent.retried} to be tried again"
        )
