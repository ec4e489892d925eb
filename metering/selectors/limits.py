"""The limits that apply to a tenant and a key, and their usage by the ledger.

Each process reads a usage plan once a second, not once a request; a change applies everywhere within
that time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from accounts.domain.principal import Principal, TenantFacts
from accounts.domain.reach import within_tenant
from accounts.domain.short_memory import ShortMemory
from accounts.selectors.api_keys import key_ids_of_families
from accounts.sql import as_json, fetch_all
from metering.domain.http_requests import API_REQUESTS
from metering.domain.ledger import TENANT_SCOPE, CounterKey, Ledger
from metering.domain.limit_policy import LimitPolicy, Quota, Stop, Throttle
from metering.domain.limit_scopes import SUBJECTS_SCOPE, LimitScope
from metering.domain.periods import Period, local_day
from metering.models import EventIdentity, UsagePlanAssignment, UsagePlanThrottle
from metering.selectors.budgets import stopping_budgets
from metering.selectors.catalog import meter_rules
from metering.selectors.ledgers import half_of
from metering.selectors.steady_clock import steady_instant

# The names under which clients see limits, in `limits` and in the RateLimit headers.
THROTTLE_NAME: Final = "throttle"
KEY_THROTTLE_NAME: Final = "key-throttle"
QUOTA_NAME: Final = "quota"
KEY_QUOTA_NAME: Final = "key-quota"
_MICROSECOND: Final = timedelta(microseconds=1)
_SCOPES: Final = {LimitScope.TENANT: TENANT_SCOPE, LimitScope.SUBJECT: SUBJECTS_SCOPE}

# Any change of the assignment, the plan, one of its limits or a budget makes another version, and so does that of the
# anchor of billing periods, which is added to it. What a budget has spent is no part of it.
VERSIONS: Final = """
SELECT t.id, concat_ws(' ', a.xmin, p.xmin, (
    SELECT string_agg(concat_ws(' ', q.id, q.xmin, m.xmin), ',' ORDER BY q.id)
    FROM metering_usageplanquota AS q JOIN metering_meter AS m ON m.id = q.meter_id
    WHERE q.usage_plan_id = p.id), (
    SELECT string_agg(concat_ws(' ', h.id, h.xmin), ',' ORDER BY h.id)
    FROM metering_usageplanthrottle AS h WHERE h.usage_plan_id = p.id), (
    SELECT string_agg(concat_ws(' ', b.id, b.limit, b.stopped_until_at, m.xmin), ',' ORDER BY b.id)
    FROM metering_budget AS b LEFT JOIN metering_meter AS m ON m.id = b.meter_id
    WHERE b.tenant_id = t.id AND b.does_stop AND NOT b.is_paused))
FROM unnest(%(tenant_ids)s::uuid[]) AS t(id)
LEFT JOIN metering_usageplanassignment AS a ON a.tenant_id = t.id
LEFT JOIN metering_usageplan AS p ON p.id = a.usage_plan_id
"""
ANCHORS: Final = "SELECT id, period_anchor_on FROM accounts_tenant WHERE id = ANY(%(tenant_ids)s)"
VERSION_AND_ANCHOR: Final = f"""
SELECT v.version, t.period_anchor_on
FROM ({VERSIONS}) AS v (tenant_id, version) LEFT JOIN accounts_tenant AS t ON t.id = v.tenant_id
"""
USED = """
SELECT q.position, coalesce(sum(u.quantity), 0)
FROM jsonb_to_recordset(%(counters)s::jsonb) AS q(
    position int, meter_id bigint, first_day date, last_day date, api_keys jsonb)
LEFT JOIN usage_day AS u ON u.tenant_id = %(tenant_id)s::uuid AND u.is_live = %(is_live)s AND u.meter_id = q.meter_id
    AND u.day BETWEEN q.first_day AND q.last_day AND (q.api_keys IS NULL OR q.api_keys ? u.api_key_id::text)
GROUP BY q.position
"""


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """The limits of a tenant's usage plan at one moment, and its budgets that stop. Without either nothing is limited.

    `budgets` and `stops` are also those of single keys and subjects.
    """

    plan_code: str
    plan_name: str
    throttles: tuple[Throttle, ...]
    quotas: tuple[Quota, ...]
    period_anchor_on: date | None = None
    allows_in_outage: bool = False
    budgets: tuple[Quota, ...] = ()
    stops: tuple[Stop, ...] = ()

    @property
    def counted(self) -> tuple[Quota, ...]:
        """Return every quota of which a change makes counters unknown."""
        return self.quotas + self.budgets


_by_tenant: Final = ShortMemory[UUID, TenantLimits]()


def ledger_of(principal: Principal, tenant: TenantFacts) -> Ledger:
    """Return the half of the tenant's ledger that the key meters into."""
    return half_of(tenant, is_live=principal.is_live)


def policy_of_key(principal: Principal, tenant: TenantFacts, of_tenant: TenantLimits) -> LimitPolicy:
    """Return the same, if the tenant's limits are known. Budgets of other keys are no part of it."""
    own = {TENANT_SCOPE, principal.limits_id}
    budgets = tuple(one for one in of_tenant.budgets if one.subject is not None or one.scope_id in own)
    return LimitPolicy(
        ledger=replace(ledger_of(principal, tenant), period_anchor_on=of_tenant.period_anchor_on),
        throttles=of_tenant.throttles + _throttles_of_key(principal),
        quotas=of_tenant.quotas + _quotas_of_key(principal) + budgets,
        allows_in_outage=of_tenant.allows_in_outage,
        stops=tuple(one for one in of_tenant.stops if one.subject is not None or one.scope_id in own),
    )


def tenant_limits(tenant_id: UUID) -> TenantLimits:
    """Return the usage plan of a tenant, at most a second old."""
    now = steady_instant()
    limits = _by_tenant.recall(tenant_id, now)
    if limits is None:
        with within_tenant(tenant_id):
            version, limits = _read_tenant_limits(tenant_id)
        _by_tenant.keep(tenant_id, limits, now, version=version)
    return limits


def anchors_in_use() -> tuple[datetime, dict[UUID, date | None]]:
    """Return when billing periods begin, for each tenant whose cached plan may be renewed, and the instant before.

    A step of its own, since whoever may read tenants' rows is not who may read all plans.
    """
    now = steady_instant()
    tenant_ids = _by_tenant.renewable(now)
    return now, dict(fetch_all(ANCHORS, {"tenant_ids": tenant_ids})) if tenant_ids else {}


def renew_tenant_limits(as_of: datetime, anchors: Mapping[UUID, date | None]) -> None:
    """Keep the cached plans that did not change, by one query for all these tenants."""
    if anchors:
        found = fetch_all(VERSIONS, {"tenant_ids": list(anchors)})
        versions = {tenant_id: _version(version, anchors[tenant_id]) for tenant_id, version in found}
        _by_tenant.renew(list(anchors), versions, as_of)


def forget_limits() -> None:
    """Clear the cache: after a change in this process, and between tests."""
    _by_tenant.forget_all()


def used_of(ledger: Ledger, counters: Iterable[CounterKey]) -> dict[CounterKey, Decimal]:
    """Return the value of each counter by the daily usage. Exact during ingest only while the ledger is locked."""
    keys = tuple(counters)
    lines = {key.scope_id for key in keys if key.scope_id != TENANT_SCOPE}
    members = key_ids_of_families(tenant_id=ledger.tenant_id, family_ids=lines) if lines else {}
    asked = [
        {
            "position": position,
            "api_keys": members.get(key.scope_id),
            "meter_id": key.meter_id,
            "first_day": local_day(key.period_start, ledger.time_zone),
            "last_day": local_day(key.period_end - _MICROSECOND, ledger.time_zone),
        }
        for position, key in enumerate(keys)
    ]
    rows = fetch_all(
        USED,
        {
            "tenant_id": ledger.tenant_id,
            "is_live": ledger.is_live,
            "counters": as_json(asked),
        },
    )
    return {keys[position]: quantity for position, quantity in rows}


def known_content_hash(ledger: Ledger, key: bytes) -> bytes | None:
    """Return the content hash with which an event's identity was claimed, or None if it is free."""
    claims = EventIdentity.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).filter(key=key)
    content_hash = claims.values_list("content_hash", flat=True).first()
    return None if content_hash is None else bytes(content_hash)


def _version(found: str, anchor_on: date | None) -> str:
    return f"{found} {anchor_on}"


def _read_tenant_limits(tenant_id: UUID) -> tuple[str, TenantLimits]:
    """Return the version and the limits. A change between the queries makes limits newer than their version."""
    [(found, anchor_on)] = fetch_all(VERSION_AND_ANCHOR, {"tenant_ids": [tenant_id]})
    version = _version(found, anchor_on)
    budgets, stops = stopping_budgets(tenant_id=tenant_id, anchor_on=anchor_on)
    assignments = UsagePlanAssignment.objects.filter(tenant_id=tenant_id).select_related("usage_plan")
    assignment = assignments.first()
    if assignment is None:
        return version, TenantLimits("", "", (), (), anchor_on, budgets=budgets, stops=stops)
    plan = assignment.usage_plan
    quotas = tuple(
        Quota(
            name=_quota_name(quota.meter.code, Period(quota.period), LimitScope(quota.scope)),
            scope_id=_SCOPES[LimitScope(quota.scope)],
            meter_id=quota.meter_id,
            meter_code=quota.meter.code,
            period=Period(quota.period),
            limit=quota.limit,
            is_hard=quota.is_hard,
            anchor_on=anchor_on if quota.period == Period.BILLING else None,
        )
        for quota in plan.quotas.select_related("meter").order_by("meter__code", "period", "scope")
    )
    throttles = (
        *_throttles(THROTTLE_NAME, TENANT_SCOPE, plan.throttle_rate, plan.throttle_burst),
        *(_throttle_of(row) for row in plan.throttles.select_related("event_type")),
    )
    return version, TenantLimits(
        plan.code, plan.name, throttles, quotas, anchor_on, plan.allows_in_outage, budgets, stops
    )


def _quota_name(meter_code: str, period: Period, scope: LimitScope) -> str:
    """Return the name of a quota: `quota` for the monthly quota of requests; others name their meter."""
    name = _named(scope, QUOTA_NAME)
    if meter_code == API_REQUESTS and period is Period.MONTH:
        return name
    return f"{name}-{meter_code}-{period}"


def _throttle_of(row: UsagePlanThrottle) -> Throttle:
    event_type = None if row.event_type is None else row.event_type.code
    scope = LimitScope(row.scope)
    name = _named(scope, THROTTLE_NAME) + (f"-{event_type}" if event_type else "")
    return Throttle.within_reach(name, _SCOPES[scope], row.rate, row.burst, event_type)


def _named(scope: LimitScope, name: str) -> str:
    return f"subject-{name}" if scope is LimitScope.SUBJECT else name


def _throttles_of_key(principal: Principal) -> tuple[Throttle, ...]:
    return _throttles(KEY_THROTTLE_NAME, principal.limits_id, principal.throttle_rate, principal.throttle_burst)


def _throttles(name: str, scope_id: UUID, rate: int | None, burst: int | None) -> tuple[Throttle, ...]:
    if rate is None or burst is None:
        return ()
    return (Throttle.within_reach(name, scope_id, rate, burst),)


def _quotas_of_key(principal: Principal) -> tuple[Quota, ...]:
    """Return the key's own quota: a hard one on requests, by calendar month."""
    if principal.quota is None:
        return ()
    return tuple(
        Quota(
            name=KEY_QUOTA_NAME,
            scope_id=principal.limits_id,
            meter_id=rule.id,
            meter_code=rule.code,
            period=Period.MONTH,
            limit=principal.quota,
            is_hard=True,
        )
        for rule in meter_rules()
        if rule.code == API_REQUESTS and rule.aggregation.is_additive
    )
