"""Usage after a key leaked, voided in one act: the bill is lowered by what strangers used, and the act is reported.

Voids in a closed period become a line of the next invoice, as each late void does.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.plain import to_plain
from accounts.errors import ConflictError
from accounts.models import KeyLeak
from accounts.services.audit import AuditTarget, record_audit
from metering.domain.ledger import Ledger
from metering.domain.periods import Span
from metering.selectors.key_usage import KeySpan, types_of_key
from metering.selectors.ledgers import half_of
from metering.services.void_filters import VoidFilter, void_at_once

EVENTS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class VoidedUsage:
    """What one act voided, by event type, and whether more events are left for another act."""

    events: int
    events_by_type: dict[str, int]
    quantity_by_type: dict[str, Decimal]
    has_more: bool


@transaction.atomic
def void_usage_after_leak(
    *, leak_id: UUID, since: datetime, until: datetime, actor: Actor, as_of: datetime
) -> VoidedUsage:
    """Void at most `EVENTS_MAX` events that the leaked key sent from `since` to `until`. All of them are, or none.

    Raises `ConflictError` for a service key, whose events are of many tenants, and if there is nothing to void.
    """
    leak = KeyLeak.objects.select_for_update(of=("self",)).select_related("api_key", "tenant").get(pk=leak_id)
    ledger = ledger_of_leak(leak)
    if ledger is None:
        raise ConflictError("A service key sends events of many tenants: void them tenant by tenant.")
    span = KeySpan(ledger, leak.api_key_id, since, until)
    found = types_of_key(span)
    if not found:
        raise ConflictError("Nothing was used with this key in that time, or all of it is voided.")
    done = void_at_once(
        ledger=ledger,
        wanted=[
            VoidFilter(event_type, span.possible_times, api_key_id=span.api_key_id, received=Span(since, until))
            for event_type in found
        ],
        reason=f"Used after the key {leak.api_key.prefix}… was found in public.",
        voided_by=actor.label,
        as_of=as_of,
        events_max=EVENTS_MAX,
    )
    events = sum(voided.events for voided in done.values())
    if not events:
        raise ConflictError("All of it is in months that are closed for good.")
    voided = VoidedUsage(
        events,
        {event_type: voided.events for event_type, voided in done.items()},
        {event_type: voided.quantity for event_type, voided in done.items()},
        has_more=events == EVENTS_MAX and bool(types_of_key(span)),
    )
    _report(leak, voided, span, actor, as_of)
    return voided


def ledger_of_leak(leak: KeyLeak) -> Ledger | None:
    """Return the half of the ledger into which the leaked key sends; None for a service key."""
    if leak.tenant is None:
        return None
    return half_of(leak.tenant, is_live=leak.api_key.kind == "live")


def _report(leak: KeyLeak, voided: VoidedUsage, span: KeySpan, actor: Actor, as_of: datetime) -> None:
    """Add the act to the leak's report, and to the tenant's audit log."""
    act = {
        "at": as_of,
        "since": span.since,
        "until": span.until,
        "events": voided.events,
        "events_by_type": voided.events_by_type,
        "quantity_by_type": voided.quantity_by_type,
        "has_more": voided.has_more,
    }
    KeyLeak.objects.filter(pk=leak.pk).update(
        usage_voided_at=as_of, usage_report=[*(leak.usage_report or []), to_plain(act)]
    )
    record_audit(
        actor=actor,
        action="api_key.leaked_usage_voided",
        tenant_id=leak.tenant_id,
        target=AuditTarget("api_key", leak.api_key_id, str(leak.api_key)),
        after=act,
        as_of=as_of,
    )
