"""What reservations hold, and the reservations themselves."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from accounts.sql import fetch_all
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.reservations import Held, ReservationState
from metering.models import Reservation
from metering.selectors.ledgers import ledgers

# A reservation that was used or released by half still holds the rest until that is freed.
HELD: Final = """
SELECT h.scope_id, h.meter_id, h.period_start, h.period_end, h.subject, sum(h.amount), min(r.expires_at)
FROM metering_reservation AS r, jsonb_to_recordset(r.holds::jsonb) AS h(scope_id uuid, meter_id bigint,
    period_start timestamptz, period_end timestamptz, amount numeric, subject text)
WHERE r.tenant_id = %(tenant_id)s::uuid AND r.is_live = %(is_live)s AND r.is_holding
    AND r.expires_at > %(as_of)s::timestamptz
GROUP BY 1, 2, 3, 4, 5
"""
OPEN: Final = """
SELECT count(*), count(DISTINCT tenant_id),
    coalesce(max(extract(epoch FROM %(as_of)s::timestamptz - created_at)), 0)::int
FROM metering_reservation WHERE is_live AND is_holding AND expires_at > %(as_of)s::timestamptz AND state = 'held'
"""


def held_of(ledger: Ledger, as_of: datetime) -> dict[CounterKey, Held]:
    """Return what is held of each counter. Exact while the ledger is locked."""
    rows = fetch_all(HELD, {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live, "as_of": as_of})
    return {CounterKey(*key): Held(amount, expires_at) for *key, amount, expires_at in rows}


def held_by_counter(ledger: Ledger, scope_id: UUID, as_of: datetime) -> dict[tuple[int, datetime, datetime], Decimal]:
    """Return what is held of a scope's counters, by meter, beginning and end of the period."""
    return {
        (key.meter_id, key.period_start, key.period_end): held.amount
        for key, held in held_of(ledger, as_of).items()
        if key.scope_id == scope_id
    }


def ledgers_with_expired(as_of: datetime) -> list[Ledger]:
    """Return the ledgers that have a reservation whose end no request has met yet."""
    expired = Reservation.objects.filter(is_holding=True, expires_at__lte=as_of)
    halves = set(expired.order_by().values_list("tenant_id", "is_live").distinct())
    if not halves:
        return []
    found = ledgers(tenant_ids=[tenant_id for tenant_id, _ in halves])
    return [ledger for ledger in found if (ledger.tenant_id, ledger.is_live) in halves]


def open_reservations(as_of: datetime) -> tuple[int, int, int]:
    """Return how many live reservations are held, of how many tenants, and the age of the oldest in seconds."""
    count, tenants, oldest_seconds = fetch_all(OPEN, {"as_of": as_of})[0]
    return count, tenants, oldest_seconds


def held_for_event(ledger: Ledger, key: bytes, as_of: datetime) -> Reservation | None:
    """Return the reservation that is held for an event."""
    rows: Iterable[Reservation] = Reservation.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).filter(
        key=key, state=ReservationState.HELD, expires_at__gt=as_of
    )[:1]
    return next(iter(rows), None)
