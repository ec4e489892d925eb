"""`manage.py prepare`: bring an installation up to date before it serves: schema, schedules, payment providers.

One command, so that Django starts once. Run twice, it changes nothing.
"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

PROVIDER_SECONDS_MAX = 10


class Command(BaseCommand):
    """Migrate, create the schedules, and set up the payment providers."""

    help = "Update the schema, the schedules and our settings at payment providers."

    requires_system_checks = ()  # `migrate` runs them

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("ensure_schedules", verbosity=0)
        self._set_up_providers()

    def _set_up_providers(self) -> None:
        """Set up the providers. If one is unavailable, serve anyway and try again at the next start."""
        try:
            call_command("provider_setup", verbosity=0, wait=PROVIDER_SECONDS_MAX)
        except CommandError as error:
            self.stderr.write(f"Payments are not set up: {error}")
