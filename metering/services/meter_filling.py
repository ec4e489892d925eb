"""Fill the rollups of a meter that counts events from before its creation, day by day, while ingest goes on.

From `fill_from` on every process counts new events, so only the days of the events that are stored until then lack
some. A day of one ledger is one transaction: under the lock that blocks its ingest, the day's rollups of the meter are
computed again from the events, whatever ingest and voids have added to them. So a day that is filled twice is right,
and a kill loses one day's work at most. Until the last day is filled, usage of the meter is read from the events.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.models import JobRun
from accounts.services.jobs import SaveSummary, run_long_job
from accounts.sql import fetch_all
from metering.domain.periods import local_day, start_of_day
from metering.models import Meter, MeterFill
from metering.selectors.catalog import forget_catalog, versions_of
from metering.selectors.ledgers import ledgers
from metering.selectors.meter_fills import progress_of, unfinished_fills
from metering.selectors.retention import kept_since
from metering.selectors.steady_clock import steady_instant
from metering.services.catalog_changes import record_change
from metering.services.ledger_lock import lock_ledger
from metering.services.limits.counting import forget_counters
from metering.services.meters import KIND
from metering.services.rebuild import rebuild_day

JOB_NAME: Final = "meters"
# A run of the schedule ends before the next one; the next one goes on.
RUN_LASTS: Final = timedelta(seconds=50)
DAYS_BETWEEN_REPORTS: Final = 20
_ONE_DAY: Final = timedelta(days=1)
_EVENTS_BETWEEN: Final = """
SELECT min(e.occurred_at), max(e.occurred_at) FROM event AS e
WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s
    AND (%(since)s::timestamptz IS NULL OR e.occurred_at >= %(since)s)
"""
FILLER: Final = Actor.system("meters")


@dataclass(frozen=True, slots=True)
class FilledDay:
    """A day that was filled in one ledger."""

    meter: Meter
    tenant_id: UUID
    is_live: bool
    day: date


def request_fill(*, meter: Meter, actor: Actor, as_of: datetime) -> Meter:
    """Mark a meter to be filled again from its events, if it is not being filled already."""
    with transaction.atomic():
        current = Meter.objects.select_for_update().get(pk=meter.pk)
        if current.fill_from is None:
            MeterFill.objects.filter(meter=current).delete()
            current.fill_from = max(as_of, current.counts_from)
            current.save(update_fields=["fill_from"])
            record_change(current, KIND, "fill_requested", before={}, after={}, actor=actor, as_of=as_of)
    forget_catalog()
    return current


def fill_meters(
    *, as_of: datetime, on_day: Callable[[FilledDay], None], is_over: Callable[[], bool] = lambda: False
) -> list[Meter]:
    """Fill all meters that lack events, and return those that are filled now. `is_over` ends it between two days."""
    waiting = Meter.objects.filter(fill_from__lte=as_of).order_by("pk")
    return [meter for meter in waiting if fill_meter(meter=meter, as_of=as_of, on_day=on_day, is_over=is_over)]


def fill_meter(
    *,
    meter: Meter,
    as_of: datetime,
    on_day: Callable[[FilledDay], None],
    is_over: Callable[[], bool] = lambda: False,
) -> bool:
    """Fill the days of one meter that are left. Return whether it is filled now, by this call."""
    _plan(meter)
    while not is_over():
        done = _fill_next_day(meter, as_of)
        if done is None:
            break
        on_day(done)
    return _finish(meter, as_of)


def run_meter_filling(*, started_by: str, as_of: datetime) -> JobRun:
    """Fill meters for the time of one run, which shows its progress."""
    ends_at = steady_instant() + RUN_LASTS
    days = 0

    def work(save: SaveSummary) -> JobReport:
        def on_day(done: FilledDay) -> None:
            nonlocal days
            days += 1
            if days % DAYS_BETWEEN_REPORTS == 1:
                left = progress_of([done.meter.pk])[done.meter.pk].days_left
                save({"days": days, "meter": done.meter.code, "left": left})

        filled = fill_meters(as_of=as_of, on_day=on_day, is_over=lambda: steady_instant() >= ends_at)
        return JobReport({"days": days, "filled": [meter.code for meter in filled]})

    return run_long_job(name=JOB_NAME, started_by=started_by, as_of=as_of, work=work)


def _plan(meter: Meter) -> None:
    """Store which days each ledger has, ledger by ledger. One without events has none.

    Under the lock of the ledger no event is on its way that a process did not count.
    """
    kept = kept_since()
    for ledger in ledgers():
        with transaction.atomic():
            lock_ledger(ledger)
            # A worker that fills a day has its row and waits for this lock, so nothing here may wait for the row.
            if MeterFill.objects.filter(meter=meter, tenant_id=ledger.tenant_id, is_live=ledger.is_live).exists():
                continue
            [(first, last)] = fetch_all(
                _EVENTS_BETWEEN, {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live, "since": kept}
            )
            if first is None:
                continue
            first_day = local_day(first, ledger.time_zone)
            fill = MeterFill(
                meter=meter,
                tenant_id=ledger.tenant_id,
                is_live=ledger.is_live,
                first_day=first_day,
                next_day=first_day,
                end_day=local_day(last, ledger.time_zone) + _ONE_DAY,
            )
            MeterFill.objects.bulk_create([fill], ignore_conflicts=True)


def _fill_next_day(meter: Meter, as_of: datetime) -> FilledDay | None:
    """Fill one day that no other worker fills. None if there is none."""
    with transaction.atomic():
        fill = unfinished_fills(meter.pk).select_for_update(skip_locked=True).order_by("pk").first()
        if fill is None:
            return None
        day = fill.next_day
        fill.next_day += _ONE_DAY
        fill.save(update_fields=["next_day"])
        for ledger in ledgers(tenant_ids=[fill.tenant_id]):
            if ledger.is_live == fill.is_live:
                lock_ledger(ledger)
                instant = start_of_day(day, ledger.time_zone)
                rebuild_day(ledger=ledger, rules=versions_of({meter.pk}), instant=instant)
                if fill.next_day == fill.end_day:
                    forget_counters(ledger=ledger, as_of=as_of)
    return FilledDay(meter, fill.tenant_id, fill.is_live, day)


def _finish(meter: Meter, as_of: datetime) -> bool:
    """Mark the meter as filled if no day is left, so that its rollups are read. Return whether this call did so."""
    with transaction.atomic():
        current = Meter.objects.select_for_update().get(pk=meter.pk)
        if current.fill_from is None or unfinished_fills(meter.pk).exists():
            return False
        current.fill_from = None
        current.save(update_fields=["fill_from"])
        MeterFill.objects.filter(meter=meter).delete()
        record_change(current, KIND, "filled", before={}, after={}, actor=FILLER, as_of=as_of)
    forget_catalog()
    return True
