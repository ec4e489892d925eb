"""`manage.py reset_second_factor ADDRESS`: for a person who has lost every second factor and the recovery codes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.models import User
from accounts.services.second_factors import remove_second_factors


class Command(BaseCommand):
    """The command. It takes only the address: a person who can run it controls the machine."""

    help = "Remove a person's second factors and end their sessions, after you have verified their identity."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", help="The e-mail address with which the person signs in.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove the factors, and print what was removed."""
        user = User.objects.filter(email__iexact=options["address"]).first()
        if user is None:
            raise CommandError(f"No user signs in as {options['address']}.")
        actor = Actor.system("manage.py reset_second_factor")
        removed = remove_second_factors(user=user, actor=actor, as_of=timezone.now())
        self.stdout.write(f"{user.email}: {removed} removed; every session is ended.")
