"""`manage.py send_webhooks`: send webhooks until the process is stopped."""

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.webhooks.services.recording import Recorded
from accounts.webhooks.services.sending import send_webhooks


class Command(BaseCommand):
    """The sender as a process of its own. Any number may run, on any number of machines."""

    help = "Send webhooks within a second, until SIGTERM or SIGINT; then finish what was begun."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="End when nothing is due.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send, and print how many attempts succeeded and failed."""
        sent = asyncio.run(_send(stops_when_idle=options["once"]))
        self.stdout.write(f"{sent.succeeded} succeeded, {sent.failed} failed, {sent.disabled} endpoints disabled")


async def _send(*, stops_when_idle: bool) -> Recorded:
    is_stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, is_stopped.set)
    return await send_webhooks(clock=timezone.now, is_over=is_stopped.is_set, stops_when_idle=stops_when_idle)
