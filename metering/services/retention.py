"""Delete months of raw events in three steps, each some hours after the previous one: closed, sealed, deleted.

A closed month accepts no event and no void. Once it is sealed the rollups are the evidence, with digests of their rows.
Then the owner's function drops its partition, if it has exactly the sealed events. Each step may be interrupted
anywhere, and may run twice at once: rows are only added, each once.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Final

from django.db import transaction

from accounts.sql import as_json, fetch_all
from metering.domain.ledger import Drift, Ledger
from metering.domain.retention import STEP_APART, month_after, month_start, seam_after
from metering.models import EventMonth, Meter, MonthStep
from metering.models.retention import FOR_GOOD
from metering.selectors.catalog import meter_rules, rules_in_rollups
from metering.selectors.ledger_totals import drifts_before
from metering.selectors.retention import latest_month, months_with_partitions
from metering.selectors.sealed_rollups import rollups_by_month
from metering.selectors.span_usage import UsageSpan, brought_to_spans, sealed_part
from metering.selectors.statements import meters_parameter

SPANS_AT_ONCE: Final = 500
STEP: Final = """
INSERT INTO event_month (month, step, at, events, voids)
SELECT %(month)s::date, %(step)s, %(at)s::timestamptz, coalesce(sum(s.events), 0), coalesce(sum(s.voids), 0)
FROM sealed_ledger AS s WHERE s.month = %(month)s::date
ON CONFLICT ON CONSTRAINT event_month_once DO NOTHING
"""
DELETE: Final = "SELECT ledger_delete_event_partition(%(month)s::date, %(as_of)s::timestamptz)"
_MONTHS: Final = """
SELECT month, days_from FROM sealed_ledger WHERE tenant_id = %(tenant_id)s::uuid AND is_live = %(is_live)s
UNION ALL SELECT %(month)s::date, %(days_from)s::date
"""
SEAL_ROLLUPS: Final = f"""
{rollups_by_month(_MONTHS)}
INSERT INTO sealed_rollup (tenant_id, is_live, month, meter_id, quantity, events, hours_digest, days_digest)
SELECT %(tenant_id)s::uuid, %(is_live)s, month, meter_id, quantity, events, hours_digest, days_digest
FROM in_rollups WHERE month = %(month)s::date
ON CONFLICT ON CONSTRAINT sealed_rollup_once DO NOTHING
"""
SEAL_LEDGER: Final = """
INSERT INTO sealed_ledger (tenant_id, is_live, month, sealed_at, events, voids, days_from, days_since)
SELECT %(tenant_id)s::uuid, %(is_live)s, %(month)s::date, %(as_of)s::timestamptz,
    (SELECT count(*) FROM event AS e WHERE e.tenant_id = %(tenant_id)s::uuid AND e.is_live = %(is_live)s
        AND e.occurred_at >= %(start)s::timestamptz AND e.occurred_at < %(end)s::timestamptz),
    (SELECT count(*) FROM event_void AS v WHERE v.tenant_id = %(tenant_id)s::uuid AND v.is_live = %(is_live)s
        AND v.occurred_at >= %(start)s::timestamptz AND v.occurred_at < %(end)s::timestamptz),
    %(days_from)s::date, %(days_since)s::timestamptz
ON CONFLICT ON CONSTRAINT sealed_ledger_once DO NOTHING
"""
SEAL_USAGE: Final = """
INSERT INTO sealed_usage (tenant_id, is_live, meter_id, start_at, end_at, known_at, voids_at, quantity, events)
SELECT tenant_id, true, meter_id, start_at, end_at, known_at, voids_at, quantity, events
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(tenant_id uuid, meter_id bigint, start_at timestamptz, end_at timestamptz,
    known_at timestamptz, voids_at timestamptz, quantity numeric, events bigint)
ON CONFLICT ON CONSTRAINT sealed_usage_once DO NOTHING
"""


def close_month(*, month: date, as_of: datetime) -> None:
    """Close a month: its events can no longer be added or voided."""
    _step(month, MonthStep.CLOSED, as_of)


def may_be_sealed(*, month: date, as_of: datetime) -> bool:
    """Return whether a month was closed so long ago that no earlier request or run can still be under way.

    While a meter is being filled no month is: its rollups would be sealed before they are complete.
    """
    is_closed = EventMonth.objects.filter(month=month, step=MonthStep.CLOSED, at__lte=as_of - STEP_APART).exists()
    return is_closed and not Meter.objects.filter(fill_from__isnull=False).exists()


def seal_ledgers(*, ledgers: Iterable[Ledger], month: date, as_of: datetime) -> list[Drift]:
    """Seal the rollups of a closed month, ledger by ledger.

    Returns the drifts that prevent sealing: buckets in which rollups differ from the events.
    """
    drifts: list[Drift] = []
    for ledger in ledgers:
        drifts += _seal_ledger(ledger, month, as_of)
    return drifts


def seal_spans(*, spans: Iterable[UsageSpan], month: date) -> int:
    """Store the usage of spans that begin before the end of a closed month, up to that end.

    These are the spans of invoiced usage, which can be read for ever. Spans that no event before that end reaches are
    left out. Returns their number.
    """
    end = month_start(month_after(month))
    aggregations = {rule.id: rule.aggregation for rule in meter_rules()}
    count = 0
    for some in _in_steps(spans):
        reached = [span for span in some if span.begins(aggregations[span.meter_id]) < end]
        parts = [sealed_part(span, end, aggregations[span.meter_id]) for span in reached]
        rows = [
            {
                "tenant_id": part.tenant_id, "meter_id": part.meter_id, "start_at": part.start, "end_at": part.end,
                "known_at": part.known_at or FOR_GOOD, "voids_at": part.voids_known_at or part.known_at or FOR_GOOD,
                "quantity": found.quantity, "events": found.events,
            }
            for part, found in zip(parts, brought_to_spans(parts), strict=True)
        ]  # fmt: skip
        fetch_all(SEAL_USAGE, {"rows": as_json(rows)})
        count += len(rows)
    return count


def finish_sealing(*, month: date, as_of: datetime) -> None:
    """Record that a month is sealed: from now on its rollups are the evidence."""
    _step(month, MonthStep.SEALED, as_of)


def months_to_delete(*, as_of: datetime) -> list[date]:
    """Return the months that have been sealed for some hours and are not deleted yet, the earliest first."""
    gone = EventMonth.objects.filter(step=MonthStep.DELETED).values("month")
    sealed = EventMonth.objects.filter(step=MonthStep.SEALED, at__lte=as_of - STEP_APART).exclude(month__in=gone)
    return list(sealed.order_by("month").values_list("month", flat=True))


def delete_sealed_months(*, as_of: datetime, kept: Collection[date] = ()) -> list[date]:
    """Drop the partitions of `months_to_delete`, but for those in `kept`, and return the dropped months."""
    deleted = []
    for month in months_to_delete(as_of=as_of):
        if month in kept:
            continue
        [(is_done,)] = fetch_all(DELETE, {"month": month, "as_of": as_of})
        if is_done:
            deleted.append(month)
    return deleted


def months_to_go(*, first_kept: date) -> list[date]:
    """Return the months before `first_kept` that have a partition and are not sealed, the earliest first."""
    sealed = latest_month(MonthStep.SEALED)
    months = [month for month in months_with_partitions() if month < first_kept]
    return [month for month in months if sealed is None or month > sealed.month]


@transaction.atomic
def _seal_ledger(ledger: Ledger, month: date, as_of: datetime) -> list[Drift]:
    seam = seam_after(month, ledger.time_zone)
    drifts = drifts_before(ledger, seam)
    if drifts:
        return drifts
    parameters = {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "meters": meters_parameter(rules_in_rollups()),
        "month": month,
        "start": month_start(month),
        "end": seam.hours_from,
        "days_from": seam.days_from,
        "days_since": seam.days_since,
        "as_of": as_of,
    }
    fetch_all(SEAL_ROLLUPS, parameters)
    fetch_all(SEAL_LEDGER, parameters)
    return []


def _step(month: date, step: MonthStep, as_of: datetime) -> None:
    fetch_all(STEP, {"month": month, "step": step.value, "at": as_of})


def _in_steps(spans: Iterable[UsageSpan]) -> Iterator[Sequence[UsageSpan]]:
    source = iter(spans)
    while some := list(islice(source, SPANS_AT_ONCE)):
        yield some
