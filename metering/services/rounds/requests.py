"""One request as work for a round; None if a round cannot do it, and the request goes alone.

Nothing here asks the database: what a process does not remember now is unknown, and found out by the request alone.
"""

from datetime import datetime

from accounts.domain.principal import Principal, TenantFacts
from metering.domain.contribution import contributions, rules_counting_at
from metering.domain.events import ParsedEvent
from metering.domain.limit_policy import claim_of
from metering.domain.retention import ALWAYS_KEPT
from metering.domain.rounds import RoundQuestion, RoundReport
from metering.gateways.limit_stores.chosen import limit_store
from metering.selectors.catalog import rules_in_rollups
from metering.services.limits.policies import prepared_limits
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
    rules = [rule for rule in rules_counting_at(rules_in_rollups(), as_of) if rule.event_type == event.type]
    if not all(rule.aggregation.is_summed for rule in rules):
        return None
    added = tuple(contributions(event, rules))
    claim = watched = None
    if is_limited:
        claim = claim_of(limits.policy, limits.current, {one.meter_id: one.quantity for one in added}, as_of)
    else:
        watched = watch(principal=principal, tenant=tenant, events=[event], as_of=as_of)
        if not have_seen(watched):
            return None
    return RoundReport(limits.policy.ledger, event, principal.key_id, as_of, added, limits.counters, claim, watched)


def question_for_round(
    *, principal: Principal, tenant: TenantFacts, event: ParsedEvent, as_of: datetime
) -> RoundQuestion | None:
    """Return whether the event would pass its limits, as a question."""
    report = report_for_round(principal=principal, tenant=tenant, event=event, as_of=as_of, is_limited=True)
    return None if report is None or report.claim is None else RoundQuestion(principal.key_id, report.claim)
