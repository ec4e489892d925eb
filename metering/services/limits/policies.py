"""The policy in force, and what to do in the moment in which it changes.

A process may work with a usage plan for a second after it was changed, and count nothing for a quota that it does not
know yet, while another process keeps its counter already. So each process that notices a change has the counters summed
up anew; the last to notice leaves them exact.
"""

from dataclasses import replace
from datetime import datetime

from accounts.domain.principal import Principal, TenantFacts
from metering.domain.limit_policy import LimitPolicy
from metering.selectors.limits import ledger_of, limits_for, quotas_last_seen
from metering.services.limits.stores import limit_store


def policy_in_force(*, principal: Principal, tenant: TenantFacts, as_of: datetime) -> LimitPolicy:
    """Every limit that holds for the key, after the counters of changed quotas were forgotten."""
    last_seen = quotas_last_seen(tenant.id)
    policy = limits_for(principal, tenant)
    if last_seen is not None and last_seen != quotas_last_seen(tenant.id):
        ledger = ledger_of(principal, tenant)
        for is_live in (True, False):
            limit_store().forget(replace(ledger, is_live=is_live), as_of)
    return policy
