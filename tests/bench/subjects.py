"""The tenants and keys that are measured, created through Django in the process that calls `prepare`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.domain.api_key import KeyKind, generate_key, parse_key
from accounts.domain.reach import WayIn, let_process_reach
from accounts.domain.scopes import SCOPES_FOR_SERVICE_KEYS, SCOPES_FOR_TENANT_KEYS
from accounts.models import ApiKey, Tenant
from metering.models import Meter, QuotaPeriod, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from metering.services.partitions import ensure_partitions_around
from tests.metering.ledger_world import ADDRESS, LONG_AGO, make_key, make_tenant

TENANTS = 1000
PLENTY = 10**10
THROTTLE_PLENTY = 1_000_000
STORM_QUOTA = 300
STORMS = 12


@dataclass(frozen=True)
class Subjects:
    """Keys of a thousand tenants each without limits, with limits that are never reached, and with none left.

    The first of each stands for one tenant. Each of `storms` has a quota of `STORM_QUOTA`. `service` may name `slugs`.
    """

    free: Sequence[str]
    limited: Sequence[str]
    full: Sequence[str]
    storms: Sequence[str]
    service: str
    slugs: Sequence[str]
    tenant_id: UUID


def prepare() -> Subjects:
    """Migrate, and create the tenants."""
    let_process_reach(WayIn.JOBS)
    call_command("migrate", verbosity=0, interactive=False)
    ensure_partitions_around(as_of=timezone.now() - timedelta(days=1), backfill_days=35)
    first = make_tenant("free")
    subjects = Subjects(
        free=[make_key(first, scopes=SCOPES_FOR_TENANT_KEYS)[1], *_keys("free", TENANTS - 1, None)],
        limited=_keys("limited", TENANTS, _plan("plenty", quota=PLENTY)),
        full=_keys("full", TENANTS, _plan("none", quota=0)),
        storms=_keys("storm", STORMS, _plan("storm", quota=STORM_QUOTA)),
        service=make_key(None, kind=KeyKind.SERVICE, scopes=SCOPES_FOR_SERVICE_KEYS)[1],
        slugs=["free", *(f"free-{number}" for number in range(TENANTS - 1))],
        tenant_id=first.pk,
    )
    connection.close()  # what follows forks
    return subjects


def _plan(code: str, *, quota: int) -> UsagePlan:
    """Create a plan with a throttle that is never reached and a hard quota."""
    plan = UsagePlan.objects.create(
        code=code, name=code, created_at=LONG_AGO, throttle_rate=THROTTLE_PLENTY, throttle_burst=THROTTLE_PLENTY
    )
    meter = Meter.objects.get(code="api_requests")
    UsagePlanQuota.objects.create(usage_plan=plan, meter=meter, period=QuotaPeriod.MONTH, limit=quota, is_hard=True)
    return plan


def _keys(name: str, count: int, plan: UsagePlan | None) -> list[str]:
    """Create tenants with a key and the plan, in bulk. Return the keys."""
    tenants = Tenant.objects.bulk_create(
        Tenant(id=uuid4(), slug=f"{name}-{number}", name=name, created_at=LONG_AGO, **ADDRESS)
        for number in range(count)
    )
    secrets = [generate_key(KeyKind.LIVE) for _ in tenants]
    ApiKey.objects.bulk_create(_key(tenant, secret) for tenant, secret in zip(tenants, secrets, strict=True))
    if plan is not None:
        UsagePlanAssignment.objects.bulk_create(
            UsagePlanAssignment(tenant=tenant, usage_plan=plan, assigned_at=LONG_AGO) for tenant in tenants
        )
    return secrets


def _key(tenant: Tenant, secret: str) -> ApiKey:
    parsed = parse_key(secret)
    assert parsed is not None
    return ApiKey(
        id=uuid4(),
        tenant=tenant,
        kind=KeyKind.LIVE,
        scopes=list(SCOPES_FOR_TENANT_KEYS),
        digest=parsed.digest,
        prefix=parsed.prefix,
        last_four=parsed.last_four,
        created_at=LONG_AGO,
        name="bench",
    )
