"""What was used with one key since an instant, out of the raw events: for staff who credit usage by strangers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from metering.domain.ledger import Ledger
from metering.domain.periods import Span
from metering.selectors.bounded_reads import fetch_in_time

GROUPS_SHOWN_MAX: Final = 200

# By when an event was received: its own time is what the sender said. The bound on that time only spares partitions.
_OF_KEY: Final = """
FROM event AS e
WHERE e.tenant_id = %(tenant_id)s::uuid AND e.is_live = %(is_live)s AND e.occurred_at >= %(occurred_from)s
    AND e.api_key_id = %(api_key_id)s::uuid AND e.received_at >= %(since)s AND e.received_at < %(until)s
    AND NOT EXISTS (
        SELECT FROM event_void AS v
        WHERE v.tenant_id = %(tenant_id)s::uuid AND v.is_live = %(is_live)s AND v.key = e.key)
"""
USED: Final = f"""
SELECT e.type, coalesce(e.properties ->> 'resource_path', ''), count(*), sum(e.quantity),
    min(e.received_at), max(e.received_at)
{_OF_KEY}
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT %(limit)s
"""
TYPES: Final = f"SELECT DISTINCT e.type {_OF_KEY} ORDER BY 1"


@dataclass(frozen=True, slots=True)
class KeySpan:
    """The events of one key that were received in a span, and are not voided."""

    ledger: Ledger
    api_key_id: UUID
    since: datetime
    until: datetime

    @property
    def possible_times(self) -> Span:
        """Return the times that events may bear that were received in the span."""
        return Span(self.since - timedelta(days=self.ledger.backfill_days), self.until + timedelta(days=1))

    def parameters(self) -> dict[str, object]:
        """Return the parameters of the statements."""
        return {
            "tenant_id": self.ledger.tenant_id,
            "is_live": self.ledger.is_live,
            "occurred_from": self.possible_times.start,
            "api_key_id": self.api_key_id,
            "since": self.since,
            "until": self.until,
        }


@dataclass(frozen=True, slots=True)
class KeyUse:
    """The use of one event type and endpoint. `endpoint` is empty if the events name none."""

    type: str
    endpoint: str
    events: int
    quantity: Decimal
    first_at: datetime
    last_at: datetime


def uses_of_key(span: KeySpan) -> list[KeyUse]:
    """Return what was used, by event type and endpoint, the most events first. Raises `QueryTooLargeError`."""
    return [KeyUse(*row) for row in fetch_in_time(USED, span.parameters() | {"limit": GROUPS_SHOWN_MAX})]


def types_of_key(span: KeySpan) -> Sequence[str]:
    """Return the types of the events, sorted. Raises `QueryTooLargeError`."""
    return [event_type for (event_type,) in fetch_in_time(TYPES, span.parameters())]
