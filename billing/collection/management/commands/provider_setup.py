"""`manage.py provider_setup`: what we need at payment providers, looked up and made where it is missing.

Run it as often as you like.
"""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.collection.errors import PaymentProviderError, PaymentRefusedError
from billing.collection.services.setup import set_up_providers

PAUSE_SECONDS = 0.5


class Command(BaseCommand):
    """Prepare each configured provider, or the fake."""

    help = (
        "Make at each configured payment provider what we need there, such as meters and the webhook endpoint, "
        "where it is missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """A fake that is just being started needs a moment."""
        parser.add_argument("--wait", type=int, default=0, metavar="SECONDS", help="How long to wait for an answer.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what there is now."""
        for line in self._set_up(time.monotonic() + options["wait"]):
            if options["verbosity"]:
                self.stdout.write(line)

    def _set_up(self, deadline: float) -> list[str]:
        while True:
            try:
                return set_up_providers()
            except PaymentRefusedError as error:
                raise CommandError(f"A provider refuses: {error.detail}") from error
            except PaymentProviderError as error:
                if time.monotonic() >= deadline:
                    raise CommandError(error.detail) from error
                time.sleep(PAUSE_SECONDS)
