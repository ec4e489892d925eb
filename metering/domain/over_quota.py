"""Hard quotas that reported usage has gone beyond. It counts all the same: the response says so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from metering.domain.events import ParsedEvent
from metering.domain.ledger import CounterKey
from metering.domain.limit_policy import Claim, CounterClaim, LimitPolicy, Quota
from metering.domain.meter_rules import MeterRule

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class OverQuota:
    """A hard quota of which more is used and held than it allows. `tenant` is the slug.

    `subject` is whose usage it is, of a quota of each subject.
    """

    name: str
    limit: Decimal
    used: Decimal
    resets_at: datetime
    tenant: str
    subject: str | None = None


def watched_claim(
    policy: LimitPolicy,
    current: Sequence[tuple[Quota, CounterKey]],
    rules: Iterable[MeterRule],
    events: Sequence[ParsedEvent],
    as_of: datetime,
) -> Claim:
    """Return the claim that takes nothing of the hard quotas whose current period counts one of the events."""
    types = {event.type for event in events}
    fed = {rule.id for rule in rules if rule.event_type in types}
    counters = [
        CounterClaim(quota, key, _ZERO)
        for quota, key in current
        if quota.is_hard
        and quota.meter_id in fed
        and any(
            key.period_start <= event.occurred_at < key.period_end and key.subject in (None, event.subject)
            for event in events
        )
    ]
    return Claim(policy.ledger, (), tuple(counters), 0, as_of)


def exceeded(claim: Claim, used: Sequence[Decimal], tenant: str) -> tuple[OverQuota, ...]:
    """Return the quotas of the claim that are exceeded at these levels, which are in its order."""
    return tuple(
        OverQuota(
            counter.quota.name, counter.quota.limit, quantity, counter.key.period_end, tenant, counter.key.subject
        )
        for counter, quantity in zip(claim.counters, used, strict=True)
        if quantity > counter.quota.limit
    )
