"""Watch the hard quotas that reported usage counts against: a report is never refused, but its response says so.

A process remembers of which counters it has seen a level. The levels of others are summed up before the report is
stored, since afterwards its transaction may hold the lock that this needs.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Final
from uuid import UUID

from django.db import connection

from accounts.domain.principal import Principal, TenantFacts
from accounts.errors import StoreUnavailableError
from metering.domain.events import ParsedEvent
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, current_counters
from metering.domain.over_quota import OverQuota, exceeded, watched_claim
from metering.gateways.limit_stores.chosen import limit_store
from metering.selectors.catalog import rules_in_rollups
from metering.services.limits.asking import look
from metering.services.limits.policies import prepared_limits
from metering.services.limits.summing_up import load_counters

SEEN_MAX: Final = 100_000
# The response to a batch names the quotas of its first subjects.
SUBJECTS_WATCHED_MAX: Final = 100
_seen: Final[set[tuple[UUID, bool, CounterKey]]] = set()


def watch(*, principal: Principal, tenant: TenantFacts, events: Sequence[ParsedEvent], as_of: datetime) -> Claim:
    """Return the hard quotas that count the events, as a claim that takes nothing. Asks no store."""
    limits = prepared_limits(principal=principal, tenant=tenant, as_of=as_of)
    if not any(quota.is_hard for quota in limits.policy.quotas):
        return Claim(limits.policy.ledger, (), (), 0, as_of)
    policy = limits.policy.of_subjects(islice(dict.fromkeys(event.subject for event in events), SUBJECTS_WATCHED_MAX))
    current = limits.current if policy is limits.policy else current_counters(policy, as_of)
    return watched_claim(policy, current, rules_in_rollups(), events, as_of)


def have_seen(claim: Claim) -> bool:
    """Return whether this process has seen a level of each counter of the claim."""
    ledger = claim.ledger
    return all((ledger.tenant_id, ledger.is_live, key) in _seen for key in claim.keys)


def drop_seen(claim: Claim) -> None:
    """Remove the claim's counters from those of which a level was seen."""
    _seen.difference_update(_places(claim.ledger, claim.keys))


def learn_levels(claims: Sequence[Claim]) -> None:
    """Sum up counters of which this process has seen no level. Call it before the events are stored.

    A transaction that is open already sums up for one tenant only, so that no two lock tenants in another order.
    """
    if connection.in_atomic_block and len(claims) > 1:
        return
    for claim in claims:
        if have_seen(claim):
            continue
        store = limit_store()
        with suppress(StoreUnavailableError):
            if look(store, claim) is None:
                load_counters(store=store, claim=claim)
            if len(_seen) >= SEEN_MAX:
                _seen.clear()
            _seen.update(_places(claim.ledger, claim.keys))


def over_quotas(claim: Claim, tenant: TenantFacts) -> tuple[OverQuota, ...]:
    """Return the quotas of the claim that are exceeded now. Nothing is said of a level that is not known."""
    if not claim.counters:
        return ()
    levels = None
    with suppress(StoreUnavailableError):
        levels = look(limit_store(), claim)
    if levels is None:
        drop_seen(claim)
        return ()
    return exceeded(claim, levels.used, tenant.slug)


def over_quotas_after_round(
    claim: Claim | None, used: Sequence[Decimal] | None, tenant: TenantFacts
) -> tuple[OverQuota, ...]:
    """Return the same for the levels that a round has read."""
    if claim is None or not claim.counters:
        return ()
    if used is None:
        drop_seen(claim)
        return ()
    return exceeded(claim, used, tenant.slug)


def _places(ledger: Ledger, keys: Sequence[CounterKey]) -> set[tuple[UUID, bool, CounterKey]]:
    return {(ledger.tenant_id, ledger.is_live, key) for key in keys}
