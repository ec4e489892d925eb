"""Count ingested events: reported usage counts against quotas as authorized usage does."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import transaction

from accounts.domain.principal import Principal, TenantFacts
from accounts.errors import StoreUnavailableError
from metering.domain.contribution import contributions, rules_counting_at
from metering.domain.events import ParsedEvent
from metering.domain.ledger import CounterKey, IngestResult, Ledger
from metering.domain.limit_policy import LimitPolicy, counters_for
from metering.domain.quantities import EXACT
from metering.gateways.limit_stores.chosen import limit_store
from metering.gateways.limit_stores.protocol import LimitStore
from metering.selectors.catalog import rules_in_rollups
from metering.services.ingest import ingest_events, ingest_if_new
from metering.services.ledger_lock import share_ledger
from metering.services.limits.asking import note_uncounted
from metering.services.limits.policies import policy_in_force
from metering.services.limits.summing_up import counting_with
from metering.services.new_events import NewEvents

_ZERO: Final = Decimal(0)


def ingest_and_count(
    *, principal: Principal, tenant: TenantFacts, events: Sequence[ParsedEvent], as_of: datetime
) -> IngestResult:
    """Store events and count the new ones against the current quotas. No event is refused for a quota."""
    store = limit_store()
    policy = policy_in_force(principal=principal, tenant=tenant, as_of=as_of)
    counters = counters_of(policy, events, as_of)
    if store.is_transactional or not counters:
        return ingest_events(
            ledger=policy.ledger, events=events, api_key_id=principal.key_id, as_of=as_of, counters=counters
        )
    with counting_with(store, policy.ledger, as_of):
        result = ingest_events(ledger=policy.ledger, events=events, api_key_id=principal.key_id, as_of=as_of)
        accepted = set(result.accepted)
        amounts = amounts_in(counters, (event for event in events if event.index in accepted), as_of)
        _add(store, policy.ledger, amounts, as_of)
    return result


@transaction.atomic
def ingest_and_count_all(
    *, principal: Principal, batches: Sequence[tuple[TenantFacts, Sequence[ParsedEvent]]], as_of: datetime
) -> list[IngestResult]:
    """Store the events of each tenant as `ingest_and_count` does: by one statement, if all of them are new."""
    if len(batches) > 1:
        store = limit_store()
        parts = []
        for tenant, events in batches:
            policy = policy_in_force(principal=principal, tenant=tenant, as_of=as_of)
            parts.append(NewEvents(policy.ledger, events, counters_of(policy, events, as_of)))
        filled = [part for part in parts if part.events]
        is_counted_there = store.is_transactional or not any(part.counters for part in filled)
        if filled and is_counted_there and ingest_if_new(filled, api_key_id=principal.key_id, as_of=as_of):
            return [IngestResult(tuple(event.index for event in part.events), (), ()) for part in parts]
    return [
        ingest_and_count(principal=principal, tenant=tenant, events=events, as_of=as_of) for tenant, events in batches
    ]


def counters_of(policy: LimitPolicy, events: Sequence[ParsedEvent], as_of: datetime) -> tuple[CounterKey, ...]:
    """Return every counter that may count one of the events."""
    return counters_for(policy.of_subjects(event.subject for event in events), as_of)


def forget_counters(*, ledger: Ledger, as_of: datetime) -> None:
    """Mark the current counters to be summed up again, first in the transaction of a void, an import or a rebuild.

    Counters are locked before usage, and no one sums them up until the transaction ends.
    """
    share_ledger(ledger)
    limit_store().forget(ledger, as_of)


def amounts_in(
    counters: Sequence[CounterKey], events: Iterable[ParsedEvent], as_of: datetime
) -> dict[CounterKey, Decimal]:
    """Return the quantity that the events add to each counter, by the time at which they occurred."""
    rules = rules_counting_at(rules_in_rollups(), as_of)
    amounts: dict[CounterKey, Decimal] = {}
    for event in events:
        for one in contributions(event, rules):
            for key in counters:
                if (
                    key.meter_id == one.meter_id
                    and key.period_start <= event.occurred_at < key.period_end
                    and key.subject in (None, event.subject)
                ):
                    amounts[key] = EXACT.add(amounts.get(key, _ZERO), one.quantity)
    return amounts


def _add(store: LimitStore, ledger: Ledger, amounts: dict[CounterKey, Decimal], as_of: datetime) -> None:
    """Count before the commit. An event is stored even if the store is down, and counted when it responds again."""
    if not amounts:
        return
    try:
        store.add(ledger, amounts)
    except StoreUnavailableError:
        note_uncounted(ledger, as_of)
