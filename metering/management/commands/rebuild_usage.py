"""`manage.py rebuild_usage`: delete the rollups and compute them again from the ledger."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from metering.selectors.ledgers import ledgers
from metering.services.limits.counting import forget_counters
from metering.services.rebuild import rebuild_usage


class Command(BaseCommand):
    """The command that computes usage again from the events."""

    help = "Compute every rollup again from the events. Ingest of a tenant waits while its rollups are rebuilt."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--tenant` and `--all`."""
        parser.add_argument(
            "--tenant", action="append", metavar="SLUG", help="This tenant; may be given several times."
        )
        parser.add_argument("--all", action="store_true", help="Every tenant.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild one tenant after the other, each in its own transaction."""
        slugs = options["tenant"]
        if bool(slugs) == options["all"]:
            raise CommandError("Give either --all or --tenant SLUG.")
        chosen = list(ledgers(slugs=slugs))
        if slugs and len({ledger.tenant_id for ledger in chosen}) != len(set(slugs)):
            raise CommandError("At least one of these tenants does not exist.")
        for number, ledger in enumerate(chosen, start=1):
            with transaction.atomic():
                rebuilt = rebuild_usage(ledger=ledger)
                forget_counters(ledger=ledger, as_of=timezone.now())
            half = "live" if ledger.is_live else "test"
            since = "" if rebuilt.since is None else f" since {rebuilt.since:%Y-%m-%d}, before which it is sealed"
            self.stdout.write(
                f"{number}/{len(chosen)} {ledger.tenant_id} {half}: {rebuilt.hours} hours, {rebuilt.days} days{since}"
            )
