"""Assigning tenants to usage plans."""

from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.models import Tenant
from accounts.services.audit import record_audit
from metering.models import UsagePlan, UsagePlanAssignment
from metering.selectors.limits import forget_limits


def assign_usage_plan(*, tenant: Tenant, usage_plan: UsagePlan | None, actor: Actor, as_of: datetime) -> bool:
    """Give the tenant this plan, or none; its limits hold everywhere within a second. Answers whether anything changed."""
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)
        current = UsagePlanAssignment.objects.filter(tenant=tenant).select_related("usage_plan").first()
        before = None if current is None else current.usage_plan
        if before == usage_plan:
            return False
        if usage_plan is None:
            UsagePlanAssignment.objects.filter(tenant=tenant).delete()
        else:
            UsagePlanAssignment.objects.update_or_create(
                tenant=tenant, defaults={"usage_plan": usage_plan, "assigned_at": as_of}
            )
        record_audit(
            actor=actor,
            action="tenant.usage_plan_assigned",
            tenant_id=tenant.pk,
            target_kind="tenant",
            target_id=tenant.pk,
            target_label=tenant.slug,
            before={"usage_plan": None if before is None else before.code},
            after={"usage_plan": None if usage_plan is None else usage_plan.code},
            as_of=as_of,
        )
    forget_limits()
    return True


def default_usage_plan() -> UsagePlan | None:
    """The plan that new tenants get, if the operator chose one."""
    return UsagePlan.objects.filter(is_default=True).first()
