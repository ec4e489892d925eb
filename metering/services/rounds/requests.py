"""One request as work for a round; None if a round cannot do it, and the request goes alone.

Nothing here asks the database: what a process does not remember now is unknown, and found out by the request alone.
"""

from collections.abc import Sequence
from datetime import datetime

from accounts.domain.principal import Principal, TenantFacts
from metering.domain.contribution import Contribution, contributions, rules_counting_at
from metering.domain.events import ParsedEvent
from metering.domain.limit_policy import Claim, claim_of
from metering.domain.retention import ALWAYS_KEPT
from metering.domain.rounds import RoundQuestion, RoundReport
from metering.gateways.limit_stores.chosen import limit_store
from metering.selectors.catalog import rules_in_rollups_of
from metering.services.limits.policies import PreparedLimits, prepared_limits
from metering.services.limits.watching import have_seen, watch
from metering.services.partitions import has_seen_partition


def report_for_round(
    *, principal: Principal, tenant: TenantFacts, event: ParsedEvent, as_of: datetime, is_limited: bool
) -> RoundReport | None:
    """Return an event to store: if its limits allow it, or (not `is_limited`) whatever they say."""
    limits = prepared_limits(principal=principal, tenant=tenant, as_of=as_of).of_event(event, as_of)
    is_counted = limits.counters or (is_limited and limits.policy.throttles)
    if is_counted and not limit_store().is_transactional:
        return None
    if event.occurred_at < as_of - ALWAYS_KEPT or not has_seen_partition(event.occurred_at):
        return None
    added = _added(event, as_of)
    if added is None:
        return None
    claim = watched = None
    if is_limited:
        claim = _claim(limits, added, as_of)
    else:
        watched = watch(principal=principal, tenant=tenant, events=[event], as_of=as_of)
        if not have_seen(watched):
            return None
    return RoundReport(
        limits.policy.ledger, event, principal.key_id, as_of, tuple(added), limits.counters, claim, watched
    )


def question_for_round(
    *, principal: Principal, tenant: TenantFacts, event: ParsedEvent, as_of: datetime
) -> RoundQuestion | None:
    """Return whether the event would pass its limits, as a question."""
    added = _added(event, as_of)
    if added is None:
        return None
    claim = _claim(
        prepared_limits(principal=principal, tenant=tenant, as_of=as_of).of_event(event, as_of), added, as_of
    )
    if claim.asks_store and not limit_store().is_transactional:
        return None
    return RoundQuestion(principal.key_id, claim)


def _added(event: ParsedEvent, as_of: datetime) -> Sequence[Contribution] | None:
    """Return what the event adds to meters; None if one of them is not added up alone."""
    rules = rules_counting_at(rules_in_rollups_of(event.type), as_of)
    return contributions(event, rules) if all(rule.aggregation.is_summed for rule in rules) else None


def _claim(limits: PreparedLimits, added: Sequence[Contribution], as_of: datetime) -> Claim:
    return claim_of(limits.policy, limits.current, {one.meter_id: one.quantity for one in added}, as_of)
