"""`manage.py rotate_proof_key`: create the key that signs proofs from now on; the one before signs its successor."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from metering.proofs.errors import ProofKeyUnreadableError
from metering.proofs.services.keys import rotate_key


class Command(BaseCommand):
    """The command that rotates the key of proofs."""

    help = "Create the key that signs proofs from now on. Earlier public keys stay published."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, and print the new key's id."""
        try:
            key = rotate_key(as_of=timezone.now())
        except ProofKeyUnreadableError as error:
            raise CommandError(str(error)) from error
        endorsed = "the first key" if key.endorsed_by_id is None else f"endorsed by {key.endorsed_by_id}"
        self.stdout.write(f"Key {key.id} signs from now on, {endorsed}.")
