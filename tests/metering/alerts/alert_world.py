"""Tenants with quotas and usage, for tests of threshold alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import Membership, Tenant, User
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import monitor_thresholds
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import QuotaTerms, UsagePlanTerms
from metering.models import Meter, UsagePlan, UsagePlanAssignment
from metering.services.usage_plans import assign_usage_plan, create_usage_plan, update_usage_plan
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_meter, make_tenant, send

OPERATOR = Actor.system("operator")
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
TOKENS = "tokens"


def quota(limit: str | int, *, period: Period = Period.MONTH, meter: str = TOKENS, is_hard: bool = True) -> QuotaTerms:
    return QuotaTerms(meter_code=meter, period=period, limit=Decimal(limit), is_hard=is_hard)


def plan_of(*quotas: QuotaTerms) -> UsagePlan:
    if not Meter.objects.filter(code=TOKENS).exists():
        make_meter(TOKENS, TOKENS, aggregation="sum", unit="tokens")
    code = f"plan-{uuid4().hex[:8]}"
    return create_usage_plan(code=code, terms=_terms(code, quotas), actor=OPERATOR, as_of=LONG_AGO)


def change_plan(tenant: Tenant, *quotas: QuotaTerms) -> None:
    """Edit the tenant's usage plan in place."""
    plan = UsagePlanAssignment.objects.get(tenant=tenant).usage_plan
    update_usage_plan(usage_plan=plan, terms=_terms(plan.name, quotas), actor=OPERATOR, as_of=NOON)


def customer(slug: str, *quotas: QuotaTerms, since: datetime = LONG_AGO, **fields: str) -> Tenant:
    """Create a tenant with an owner, on a plan with these quotas."""
    tenant = make_tenant(slug, **fields)
    join(tenant, f"owner@{slug}.example", Role.OWNER)
    assign_usage_plan(tenant=tenant, usage_plan=plan_of(*quotas), actor=OPERATOR, as_of=since)
    return tenant


def join(tenant: Tenant, email: str, role: Role) -> Membership:
    user = User.objects.create_user(email, None)
    return Membership.objects.create(tenant=tenant, user=user, role=role, created_at=LONG_AGO)


def use(tenant: Tenant, quantity: str | int, *, at: datetime, is_live: bool = True, event_id: str = "") -> str:
    """Report usage of tokens. Return the event's id."""
    event = {"id": event_id or uuid4().hex, "type": TOKENS, "quantity": str(quantity), "timestamp": at.isoformat()}
    send(ledger_of(tenant, is_live=is_live), [event], as_of=at)
    return event["id"]


def crossed(tenant: Tenant) -> list[int]:
    """Return the thresholds of all the tenant's alerts, in the order in which they were found."""
    return list(ThresholdAlert.objects.filter(tenant=tenant).order_by("id").values_list("threshold", flat=True))


def _terms(name: str, quotas: Sequence[QuotaTerms]) -> UsagePlanTerms:
    return UsagePlanTerms(name=name, quotas=tuple(quotas))


def new_at(as_of: datetime) -> list[tuple[str, int | None]]:
    """Return the tenants whose alerts a pass finds."""
    return [(alert.facts.tenant, alert.threshold) for alert in monitor_thresholds(as_of=as_of).alerts]
