"""The current policy, and the handling of its changes.

A process may use an old usage plan for a second after a change, and count nothing for a quota that it does not know
yet, while another process already counts it. So each process whose quotas have changed since it last counted marks the
counters to be summed up again; after the last process they are exact.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.domain.principal import Principal, TenantFacts
from accounts.domain.short_memory import ShortMemory
from metering.domain.ledger import TENANT_SCOPE
from metering.domain.limit_policy import LimitPolicy, Quota
from metering.gateways.limit_stores.chosen import limit_store
from metering.selectors.limits import limits_for
from metering.selectors.steady_clock import steady_instant

# Older counts belong to a period that is over: no quota's period is longer than a month.
_MONTH: Final = timedelta(days=32)
# The quotas of a tenant with which this process last counted.
_counted_with: Final = ShortMemory[UUID, tuple[Quota, ...]](_MONTH)


def policy_in_force(*, principal: Principal, tenant: TenantFacts, as_of: datetime) -> LimitPolicy:
    """Return every limit that applies to the key. Marks the counters of changed quotas as unknown first."""
    policy = limits_for(principal, tenant)
    quotas = tuple(quota for quota in policy.quotas if quota.scope_id == TENANT_SCOPE)
    now = steady_instant()
    counted_with = _counted_with.recall(tenant.id, now)
    if counted_with is not None and counted_with != quotas:
        for is_live in (True, False):
            limit_store().forget(replace(policy.ledger, is_live=is_live), as_of)
    _counted_with.keep(tenant.id, quotas, now)
    return policy
