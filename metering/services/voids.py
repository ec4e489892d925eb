"""Voids: an event stays in the ledger, a second row cancels it, and its quantity is subtracted.

Quantities of additive meters are subtracted in the same statement. Others, such as a maximum, are computed again for
the event's hour and day.
"""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts.errors import NotFoundError
from accounts.sql import fetch_all
from metering.domain.canonical import event_key
from metering.domain.contribution import MeterRule
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.retention import ALWAYS_KEPT
from metering.errors import AlreadyVoidedError
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.retention import refuse_deleted
from metering.selectors.statements import METERS, contributions_of, meters_parameter
from metering.services.ledger_lock import lock_ledger
from metering.services.rebuild import rebuild_day
from metering.services.rollups import add_to_rollups, counters_parameter

VOID = f"""
WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(lock_key)s)),
found AS MATERIALIZED (
    SELECT e.key, e.occurred_at, e.received_at, e.type, e.quantity, e.api_key_id, e.properties
    FROM gate, event_identity AS i
    JOIN event AS e ON e.tenant_id = i.tenant_id AND e.is_live = i.is_live AND e.occurred_at = i.occurred_at
        AND e.key = i.key
    WHERE i.tenant_id = %(tenant_id)s::uuid AND i.is_live = %(is_live)s AND i.key = %(key)s
        AND e.tenant_id = %(tenant_id)s::uuid AND e.is_live = %(is_live)s
),
voided AS (
    INSERT INTO event_void (tenant_id, is_live, key, occurred_at, reason, voided_by, voided_at)
    SELECT %(tenant_id)s::uuid, %(is_live)s, key, occurred_at, %(reason)s, %(voided_by)s, %(voided_at)s::timestamptz
        FROM found
    ON CONFLICT DO NOTHING
    RETURNING key
),
cancelled AS (SELECT found.* FROM found JOIN voided USING (key)),
{METERS},
{contributions_of("cancelled")},
{add_to_rollups("-")}
SELECT found.type, found.occurred_at, EXISTS (SELECT FROM voided) FROM found
"""


@transaction.atomic
def void_event(
    *,
    ledger: Ledger,
    event_id: str,
    reason: str,
    voided_by: str,
    as_of: datetime,
    source: str = "",
    counters: Sequence[CounterKey] = (),
) -> None:
    """Void one event. Raises `NotFoundError` if there is none, `AlreadyVoidedError` the second time.

    Raises `EventsDeletedError` for an event of a closed month: its invoices stay.

    `counters` are the current limits that had counted the event.
    """
    rules = rules_in_rollups()
    computed_again = lock_for_void(ledger)
    found = fetch_all(
        VOID,
        {
            "lock_key": ledger.lock_key,
            "tenant_id": ledger.tenant_id,
            "is_live": ledger.is_live,
            "time_zone": ledger.time_zone,
            "slots": settings.LEDGER_SLOTS,
            "key": event_key(source, event_id),
            "reason": reason,
            "voided_by": voided_by,
            "voided_at": as_of,
            "meters": meters_parameter(rule for rule in rules if rule.aggregation.is_additive),
            "counters": counters_parameter(counters),
        },
    )
    if not found:
        refuse_deleted(ledger, event_id=event_id, source=source)
        raise NotFoundError("There is no event with this id.")
    [(event_type, occurred_at, is_voided)] = found
    if occurred_at < as_of - ALWAYS_KEPT:
        refuse_deleted(ledger, event_id=event_id, source=source)
    if not is_voided:
        raise AlreadyVoidedError("This event was already voided. Nothing was changed.")
    if fed := [rule for rule in computed_again if rule.event_type == event_type]:
        rebuild_day(ledger=ledger, rules=fed, instant=occurred_at)


def lock_for_void(ledger: Ledger) -> list[MeterRule]:
    """Lock the ledger if a void computes usage again, before any other lock. Return the meters of such usage."""
    computed_again = [rule for rule in rules_in_rollups() if not rule.aggregation.is_additive]
    if computed_again:
        lock_ledger(ledger)
    return computed_again
