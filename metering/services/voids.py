"""Voids: an event stays in the ledger, a row beside it cancels it, and its quantity is taken back in the same statement."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from accounts.errors import NotFoundError
from accounts.sql import fetch_all
from metering.domain.canonical import event_key
from metering.domain.ledger import CounterKey, Ledger
from metering.errors import AlreadyVoidedError
from metering.selectors.catalog import meter_rules
from metering.selectors.statements import CONTRIBUTIONS, METERS, meters_parameter
from metering.services.rollups import ADD_TO_ROLLUPS, counters_parameter

VOID = f"""
WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(lock_key)s)),
found AS MATERIALIZED (
    SELECT e.key, e.occurred_at, e.received_at, e.type, e.quantity, e.api_key_id, e.properties
    FROM gate, event_identity AS i
    JOIN event AS e ON e.tenant_id = i.tenant_id AND e.is_live = i.is_live AND e.occurred_at = i.occurred_at AND e.key = i.key
    WHERE i.tenant_id = %(tenant_id)s::uuid AND i.is_live = %(is_live)s AND i.key = %(key)s
        AND e.tenant_id = %(tenant_id)s::uuid AND e.is_live = %(is_live)s
),
voided AS (
    INSERT INTO event_void (tenant_id, is_live, key, occurred_at, reason, voided_by, voided_at)
    SELECT %(tenant_id)s::uuid, %(is_live)s, key, occurred_at, %(reason)s, %(voided_by)s, %(voided_at)s::timestamptz FROM found
    ON CONFLICT DO NOTHING
    RETURNING key
),
cancelled AS (SELECT found.* FROM found JOIN voided USING (key)),
{METERS},
{CONTRIBUTIONS.format(events="cancelled")},
{ADD_TO_ROLLUPS.format(sign="-")}
SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM voided)
"""


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
    """Cancel one event. Raises `NotFoundError` where there is none, `AlreadyVoidedError` the second time.

    `counters` are the running limits that had counted the event.
    """
    found, voided = fetch_all(
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
            "meters": meters_parameter(meter_rules()),
            "counters": counters_parameter(counters),
        },
    )[0]
    if not found:
        raise NotFoundError("There is no event with this id.")
    if not voided:
        raise AlreadyVoidedError("This event was voided before; nothing was changed.")
