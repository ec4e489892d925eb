"""`manage.py provider_setup`: create missing objects that we need at payment providers.

It is safe to run at any time.
"""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.collection.errors import PaymentProviderError, PaymentRefusedError
from billing.collection.services.setup import set_up_providers

PAUSE_SECONDS = 0.5


class Command(BaseCommand):
    """The command that prepares each configured provider, or the fake."""

    help = (
        "Create missing objects that we need at each configured payment provider, such as meters and the webhook "
        "endpoint."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--wait`: a fake that is being started needs a moment."""
        parser.add_argument("--wait", type=int, default=0, metavar="SECONDS", help="How long to wait for a response.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Set the providers up, and print the result."""
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
