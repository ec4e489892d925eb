"""Voids: an event stays in the ledger, a second row cancels it, and its quantity is subtracted.

What it brought to meters that are added up is subtracted in the same statement. Others, such as a maximum, are computed
again for the event's hours and day.
"""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Subquery

from accounts.errors import NotFoundError
from accounts.sql import fetch_all
from metering.domain.aggregations.registry import SUMMED
from metering.domain.canonical import event_key
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.retention import ALWAYS_KEPT
from metering.errors import AlreadyVoidedError
from metering.models import Event, EventIdentity
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.formula_sql import with_formulas
from metering.selectors.retention import refuse_deleted
from metering.selectors.statements import METERS, contributions_of, meters_parameter
from metering.services.ledger_lock import lock_ledger
from metering.services.rebuild import rebuild_day
from metering.services.rollups import add_to_rollups, counters_parameter

VOID = f"""
WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(lock_key)s)),
found AS MATERIALIZED (
    SELECT e.key, e.occurred_at, e.received_at, e.type, e.quantity, e.subject, e.api_key_id, e.properties
    FROM gate, event_identity AS i
    JOIN event AS e ON e.tenant_id = i.tenant_id AND e.is_live = i.is_live AND e.occurred_at = i.occurred_at
        AND e.key = i.key
    WHERE i.tenant_id = %(tenant_id)s::uuid AND i.is_live = %(is_live)s AND i.key = %(key)s
        AND e.tenant_id = %(tenant_id)s::uuid AND e.is_live = %(is_live)s
),
voided AS (
    INSERT INTO event_void (tenant_id, is_live, key, occurred_at, reason, voided_by, voided_at, replaced_by,
        replaced_by_key)
    SELECT %(tenant_id)s::uuid, %(is_live)s, key, occurred_at, %(reason)s, %(voided_by)s, %(voided_at)s::timestamptz,
        %(replaced_by)s::text, %(replaced_by_key)s::bytea
        FROM found
    ON CONFLICT DO NOTHING
    RETURNING key
),
cancelled AS (SELECT found.* FROM found JOIN voided USING (key)),
{METERS},
{contributions_of("cancelled", SUMMED)},
{add_to_rollups("-")}
SELECT found.occurred_at, EXISTS (SELECT FROM voided) FROM found
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
    replaced_by: str | None = None,
    counters: Sequence[CounterKey] = (),
) -> None:
    """Void one event. Raises `NotFoundError` if there is none, `AlreadyVoidedError` the second time.

    Raises `EventsDeletedError` for an event of a closed month: its invoices stay.

    `counters` are the current limits that had counted the event. `replaced_by` is the id of the event that replaces it,
    which has the same source.
    """
    summed = [rule for rule in rules_in_rollups() if rule.aggregation.is_summed]
    computed_again = lock_for_void(ledger, event_id=event_id, source=source)
    found = fetch_all(
        with_formulas(VOID, summed),
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
            "replaced_by": replaced_by,
            "replaced_by_key": None if replaced_by is None else event_key(source, replaced_by),
            "meters": meters_parameter(summed),
            "counters": counters_parameter(counters),
        },
    )
    if not found:
        refuse_deleted(ledger, event_id=event_id, source=source)
        raise NotFoundError("There is no event with this id.")
    [(occurred_at, is_voided)] = found
    if occurred_at < as_of - ALWAYS_KEPT:
        refuse_deleted(ledger, event_id=event_id, source=source)
    if not is_voided:
        raise AlreadyVoidedError("This event was already voided. Nothing was changed.")
    if computed_again:
        rebuild_day(ledger=ledger, rules=computed_again, instant=occurred_at)


def lock_for_void(ledger: Ledger, *, event_id: str, source: str = "") -> list[MeterRule]:
    """Return the meters whose usage the void of an event computes again. If there are any, lock the ledger for it.

    It is locked before anything else, as by every statement that counts.
    """
    merging = [rule for rule in rules_in_rollups() if not rule.aggregation.is_summed]
    if not merging:
        return []
    claims = EventIdentity.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live)
    occurred_at = Subquery(claims.filter(key=event_key(source, event_id)).values("occurred_at"))
    events = Event.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live)
    types = events.filter(key=event_key(source, event_id), occurred_at=occurred_at).values_list("type", flat=True)
    event_type = types.first()
    fed = [rule for rule in merging if rule.event_type == event_type]
    if fed:
        lock_ledger(ledger)
    return fed
