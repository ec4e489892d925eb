"""`manage.py rebuild_meter`: compute a meter's rollups again from the events, day by day, while ingest goes on."""

from time import sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.domain.actor import Actor
from metering.models import Meter
from metering.selectors.meter_fills import progress_of
from metering.services.meter_filling import FilledDay, fill_meter, request_fill


class Command(BaseCommand):
    """The command that fills the rollups of one meter."""

    help = "Compute a meter's usage again from the events, day by day. Stop it at any time: the next run goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the meter's code."""
        parser.add_argument("meter", help="The meter's code.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill what is left, or all if the meter is filled. Usage is exact meanwhile, and read from the events."""
        meter = Meter.objects.filter(code=options["meter"]).first()
        if meter is None:
            raise CommandError(f"No meter has the code {options['meter']}.")
        meter = request_fill(meter=meter, actor=Actor.system("rebuild_meter"), as_of=timezone.now())
        assert meter.fill_from is not None, "it was requested"
        sleep(max((meter.fill_from - timezone.now()).total_seconds(), 0))
        is_filled = fill_meter(meter=meter, as_of=timezone.now(), on_day=self._show)
        self.stdout.write(f"{meter.code} is filled." if is_filled else "Another worker fills the last days.")

    def _show(self, done: FilledDay) -> None:
        half = "live" if done.is_live else "test"
        progress = progress_of([done.meter.pk]).get(done.meter.pk, "all days are filled")
        self.stdout.write(f"{done.tenant_id} {half} {done.day}: {progress}")
