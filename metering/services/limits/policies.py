"""The current policy, and the handling of its changes.

A process may use an old usage plan for a second after a change, and count nothing for a quota that it does not know
yet, while another process already counts it. So each process whose quotas have changed since it last counted marks the
counters to be summed up again; after the last process they are exact.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.domain.principal import Principal, TenantFacts
from accounts.domain.short_memory import ShortMemory
from metering.domain.events import ParsedEvent
from metering.domain.ledger import CounterKey
from metering.domain.limit_policy import LimitPolicy, Quota, counters_for, current_counters
from metering.gateways.limit_stores.chosen import limit_store
from metering.selectors.limits import TenantLimits, policy_of_key, tenant_limits
from metering.selectors.steady_clock import steady_instant

# Older counts belong to a period that is over: no quota's period is longer than a month.
_MONTH: Final = timedelta(days=32)
# The quotas of a tenant with which this process last counted.
_counted_with: Final = ShortMemory[UUID, tuple[Quota, ...]](_MONTH)
PREPARED_MAX: Final = 10_000
_prepared: dict[UUID, "PreparedLimits"] = {}


@dataclass(frozen=True, slots=True)
class PreparedLimits:
    """A key's limits with their counters, which stay the same within a minute: periods begin at whole minutes."""

    principal: Principal
    of_tenant: TenantLimits
    minute: datetime
    policy: LimitPolicy
    counters: tuple[CounterKey, ...]
    current: tuple[tuple[Quota, CounterKey], ...]

    def of_event(self, event: ParsedEvent, as_of: datetime) -> "PreparedLimits":
        """Return the limits of one event: the same, unless some depend on its subject or type."""
        policy = self.policy.of_event(event.subject, event.type)
        if policy is self.policy:
            return self
        counters, current = counters_for(policy, as_of), current_counters(policy, as_of)
        return replace(self, policy=policy, counters=counters, current=current)


def prepared_limits(*, principal: Principal, tenant: TenantFacts, as_of: datetime) -> PreparedLimits:
    """Return the current policy with its counters, from memory until the key, the plan or the minute changes."""
    minute, of_tenant = as_of.replace(second=0, microsecond=0), tenant_limits(tenant.id)
    known = _prepared.get(principal.key_id)
    if known and known.principal is principal and known.of_tenant is of_tenant and known.minute == minute:
        return known
    policy = policy_in_force(principal=principal, tenant=tenant, as_of=as_of)
    if len(_prepared) >= PREPARED_MAX:
        _prepared.clear()
    prepared = PreparedLimits(
        principal, of_tenant, minute, policy, counters_for(policy, as_of), current_counters(policy, as_of)
    )
    _prepared[principal.key_id] = prepared
    return prepared


def policy_in_force(*, principal: Principal, tenant: TenantFacts, as_of: datetime) -> LimitPolicy:
    """Return every limit that applies to the key. Marks the counters of changed quotas as unknown first."""
    of_tenant = tenant_limits(tenant.id)
    policy, quotas = policy_of_key(principal, tenant, of_tenant), of_tenant.counted
    now = steady_instant()
    counted_with = _counted_with.recall(tenant.id, now)
    if counted_with is not None and counted_with != quotas:
        for is_live in (True, False):
            limit_store().forget(replace(policy.ledger, is_live=is_live), as_of)
    _counted_with.keep(tenant.id, quotas, now)
    return policy
