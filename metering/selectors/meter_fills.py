"""How far the filling of meters is that count events from before their creation."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import F, QuerySet, Sum

from metering.models import Meter, MeterFill


@dataclass(frozen=True, slots=True)
class FillProgress:
    """Days of all ledgers: those that are filled, and all. None of them are known before the filling begins."""

    days_done: int = 0
    days: int = 0

    @property
    def days_left(self) -> int:
        """Return how many days are not filled yet."""
        return self.days - self.days_done

    def __str__(self) -> str:
        return (
            f"{self.days_done} of {self.days} days are filled" if self.days else "the first day follows within a minute"
        )


def progress_of(meter_ids: Collection[int]) -> dict[int, FillProgress]:
    """Return the progress of those of the meters that are being filled, or wait for it, by one query."""
    rows = (
        Meter.objects.filter(pk__in=meter_ids, fill_from__isnull=False)
        .annotate(
            done=Sum(F("fills__next_day") - F("fills__first_day")),
            whole=Sum(F("fills__end_day") - F("fills__first_day")),
        )
        .values_list("pk", "done", "whole")
    )
    return {pk: FillProgress(done.days if done else 0, whole.days if whole else 0) for pk, done, whole in rows}


def unfinished_fills(meter_id: int) -> QuerySet[MeterFill]:
    """Return the ledgers in which days of a meter are not filled yet."""
    return MeterFill.objects.filter(meter_id=meter_id, next_day__lt=F("end_day"))
