"""The limits that apply to a tenant and a key, and their usage by the ledger.

Each process reads a usage plan once a second, not once a request; a change applies everywhere within
that time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db.models.expressions import RawSQL

from accounts.domain.principal import Principal, TenantFacts
from accounts.domain.reach import within_tenant
from accounts.domain.short_memory import ShortMemory
from accounts.selectors.api_keys import key_ids_of_families
from accounts.sql import as_json, fetch_all
from metering.domain.http_requests import API_REQUESTS
from metering.domain.ledger import TENANT_SCOPE, CounterKey, Ledger
from metering.domain.limit_policy import LimitPolicy, Quota, Throttle
from metering.domain.periods import Period, local_day
from metering.models import EventIdentity, UsagePlanAssignment
from metering.selectors.catalog import meter_rules
from metering.selectors.steady_clock import steady_instant

# The names under which clients see limits, in `limits` and in the RateLimit headers.
THROTTLE_NAME: Final = "throttle"
KEY_THROTTLE_NAME: Final = "key-throttle"
QUOTA_NAME: Final = "quota"
KEY_QUOTA_NAME: Final = "key-quota"
_MICROSECOND: Final = timedelta(microseconds=1)

# Any change of the assignment, the plan or one of its quotas makes another version.
_VERSION: Final = """concat_ws(' ', metering_usageplanassignment.xmin, metering_usageplan.xmin, (
    SELECT string_agg(concat_ws(' ', q.id, q.xmin, m.xmin), ',' ORDER BY q.id)
    FROM metering_usageplanquota AS q JOIN metering_meter AS m ON m.id = q.meter_id
    WHERE q.usage_plan_id = metering_usageplan.id))"""
VERSIONS: Final = f"""
SELECT tenant_id, {_VERSION} FROM metering_usageplanassignment
JOIN metering_usageplan ON metering_usageplan.id = usage_plan_id WHERE tenant_id = ANY(%(tenant_ids)s)
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
    """The limits of a tenant's usage plan at one moment. Without a plan nothing is limited."""

    plan_code: str
    plan_name: str
    throttles: tuple[Throttle, ...]
    quotas: tuple[Quota, ...]


_by_tenant: Final = ShortMemory[UUID, TenantLimits]()


def ledger_of(principal: Principal, tenant: TenantFacts) -> Ledger:
    """Return the half of the tenant's ledger that the key meters into."""
    return Ledger(tenant.id, principal.is_live, tenant.time_zone, tenant.backfill_days)


def limits_for(principal: Principal, tenant: TenantFacts) -> LimitPolicy:
    """Return every limit that applies to the key: its tenant's and its own, at most a second old."""
    of_tenant = tenant_limits(tenant.id)
    return LimitPolicy(
        ledger=ledger_of(principal, tenant),
        throttles=of_tenant.throttles + _throttles_of_key(principal),
        quotas=of_tenant.quotas + _quotas_of_key(principal),
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


def renew_tenant_limits() -> None:
    """Keep the cached plans that did not change, by one query for all tenants in use."""
    now = steady_instant()
    tenant_ids = _by_tenant.renewable(now)
    if tenant_ids:
        found = dict(fetch_all(VERSIONS, {"tenant_ids": tenant_ids}))
        _by_tenant.renew(tenant_ids, dict.fromkeys(tenant_ids, "") | found, now)


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


def _read_tenant_limits(tenant_id: UUID) -> tuple[str, TenantLimits]:
    """Return the version and the limits. A change between the two queries makes limits newer than their version."""
    assignments = UsagePlanAssignment.objects.filter(tenant_id=tenant_id).select_related("usage_plan")
    assignment = assignments.annotate(version=RawSQL(_VERSION, [])).first()  # noqa: S611 - a constant
    if assignment is None:
        return "", TenantLimits("", "", (), ())
    version, plan = assignment.version, assignment.usage_plan
    quotas = tuple(
        Quota(
            name=_quota_name(quota.meter.code, Period(quota.period)),
            scope_id=TENANT_SCOPE,
            meter_id=quota.meter_id,
            meter_code=quota.meter.code,
            period=Period(quota.period),
            limit=quota.limit,
            is_hard=quota.is_hard,
        )
        for quota in plan.quotas.select_related("meter").order_by("meter__code", "period")
    )
    throttles = _throttles(THROTTLE_NAME, TENANT_SCOPE, plan.throttle_rate, plan.throttle_burst)
    return version, TenantLimits(plan.code, plan.name, throttles, quotas)


def _quota_name(meter_code: str, period: Period) -> str:
    """Return the name of a quota: `quota` for the monthly quota of requests; others name their meter."""
    if meter_code == API_REQUESTS and period is Period.MONTH:
        return QUOTA_NAME
    return f"{QUOTA_NAME}-{meter_code}-{period}"


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
