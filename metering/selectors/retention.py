"""The months of raw events that are closed, sealed or deleted, and their sealed usage.

From `kept_since` on raw events are the evidence; before it the rollups and `sealed_usage_of` are.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from accounts.sql import as_json, fetch_all
from metering.domain.canonical import event_key
from metering.domain.ledger import Ledger
from metering.domain.retention import SEAM, Seam, month_after, month_start
from metering.errors import EventsDeletedError
from metering.models import EventIdentity, EventMonth, MonthStep, SealedLedger
from metering.models.retention import FOR_GOOD

EVERYTHING: Final = Seam(datetime(1, 1, 2, tzinfo=UTC), date.min, datetime(1, 1, 2, tzinfo=UTC))
PARTITIONS: Final = """
SELECT to_date(substring(c.relname FROM '^event_([0-9]{4}_[0-9]{2})$'), 'YYYY_MM')::text
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'event'::regclass ORDER BY 1
"""
ANSWERS: Final = f"""
SELECT DISTINCT ON (q.position) q.position, s.quantity, s.events
FROM jsonb_to_recordset(%(spans)s::jsonb) AS q(position int, tenant_id uuid, meter_id bigint, start_at timestamptz,
    end_at timestamptz, known_at timestamptz, voids_at timestamptz)
JOIN sealed_usage AS s ON s.tenant_id = q.tenant_id AND s.is_live AND s.meter_id = q.meter_id
    AND s.start_at = q.start_at AND s.end_at = q.end_at
    AND (s.known_at, s.voids_at) IN ((q.known_at, q.voids_at), ('{FOR_GOOD}'::timestamptz, '{FOR_GOOD}'::timestamptz))
ORDER BY q.position, s.known_at, s.voids_at
"""


def kept_since() -> datetime | None:
    """Return the time from which raw events are the evidence; None if no month was ever sealed."""
    return _end_of_latest(MonthStep.SEALED)


def nothing_changes_before() -> datetime | None:
    """Return the time before which no event is added or voided any more: some days after the last closed month."""
    end = _end_of_latest(MonthStep.CLOSED)
    return None if end is None else end + SEAM


def latest_month(step: MonthStep) -> EventMonth | None:
    """Return the latest month that reached this step."""
    return EventMonth.objects.filter(step=step).order_by("month").last()


def deleted_before() -> tuple[datetime, datetime] | None:
    """Return the time before which raw events are deleted, and when the last were; None if none ever was."""
    latest = latest_month(MonthStep.DELETED)
    return None if latest is None else (month_start(month_after(latest.month)), latest.at)


def seam_of(ledger: Ledger) -> Seam:
    """Return the seam after which a ledger's rollups must equal its events; a younger ledger has nothing sealed."""
    sealed = latest_month(MonthStep.SEALED)
    if sealed is None:
        return EVERYTHING
    rows = SealedLedger.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).filter(month=sealed.month)
    cut = rows.values_list("days_from", "days_since").first()
    return EVERYTHING if cut is None else Seam(month_start(month_after(sealed.month)), *cut)


def months_with_partitions() -> list[date]:
    """Return the months for which the event table has a partition."""
    return [date.fromisoformat(month) for (month,) in fetch_all(PARTITIONS)]


def sealed_usage_of(spans: Sequence[Mapping[str, object]]) -> dict[int, tuple[Decimal, int]]:
    """Return the sealed usage of spans by position: as known at the requested moment, else the final one."""
    if not spans:
        return {}
    return {
        position: (quantity, events) for position, quantity, events in fetch_all(ANSWERS, {"spans": as_json(spans)})
    }


def refuse_deleted(ledger: Ledger, *, event_id: str, source: str = "") -> None:
    """Raise `EventsDeletedError` if an id belongs to an event of a closed or deleted month."""
    closed_until = nothing_changes_before()
    if closed_until is None:
        return
    claims = EventIdentity.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live)
    if claims.filter(key=event_key(source, event_id), occurred_at__lt=closed_until).exists():
        raise EventsDeletedError(
            f"This event is from before {closed_until:%-d %B %Y}. Raw events of that time are deleted or about to be."
            " It was counted, and can no longer be changed."
        )


def _end_of_latest(step: MonthStep) -> datetime | None:
    latest = latest_month(step)
    return None if latest is None else month_start(month_after(latest.month))
