"""`manage.py prepare_demo`: run `prepare` and `seed_demo` in one process, so that Django starts once."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Prepare, then seed."""

    help = "Update the installation, and create what is missing of the demo data: some seconds, once."

    requires_system_checks = ()  # `migrate` runs them

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("prepare")
        call_command("seed_demo", verbosity=0)
