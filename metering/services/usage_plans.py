"""Making and changing usage plans, and assigning them to tenants. A change is in force in every process within a second."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.errors import FieldError, InvalidFieldsError
from accounts.models import Tenant
from accounts.services.audit import record_audit
from metering.domain.usage_plan_terms import QuotaTerms, UsagePlanTerms, check_terms
from metering.errors import UnknownMeterError, UsagePlanExistsError
from metering.models import Meter, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from metering.selectors.limits import expire_limits

_CODE: Final = re.compile(r"[a-z][a-z0-9_.:-]{0,99}", re.ASCII)


def create_usage_plan(*, code: str, terms: UsagePlanTerms, actor: Actor, as_of: datetime) -> UsagePlan:
    """Make a usage plan. Raises `InvalidFieldsError`, `UnknownMeterError`, `UsagePlanExistsError`."""
    check_terms(terms)
    if not _CODE.fullmatch(code):
        refusal = FieldError(
            "/code", "invalid_code", "Lower-case letters, digits and _ . : - only, beginning with a letter."
        )
        raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))
    with transaction.atomic():
        _make_room_for_default(terms)
        try:
            with transaction.atomic():
                usage_plan = UsagePlan.objects.create(code=code, created_at=as_of, **_own_fields(terms))
        except IntegrityError as error:
            raise UsagePlanExistsError(f"There is a usage plan {code} already.") from error
        _add_quotas(usage_plan, terms.quotas)
        _record(usage_plan, "usage_plan.created", before={}, actor=actor, as_of=as_of)
    expire_limits()
    return usage_plan


def update_usage_plan(*, usage_plan: UsagePlan, terms: UsagePlanTerms, actor: Actor, as_of: datetime) -> UsagePlan:
    """Give a usage plan other terms, for every tenant on it. What was used before stays used.

    Raises `InvalidFieldsError`, `UnknownMeterError`.
    """
    check_terms(terms)
    with transaction.atomic():
        current = UsagePlan.objects.select_for_update().get(pk=usage_plan.pk)
        before = described(current)
        _make_room_for_default(terms, keep=current)
        UsagePlan.objects.filter(pk=current.pk).update(**_own_fields(terms))
        current.quotas.all().delete()
        _add_quotas(current, terms.quotas)
        current.refresh_from_db()
        if described(current) != before:
            _record(current, "usage_plan.updated", before=before, actor=actor, as_of=as_of)
    expire_limits()
    return current


def assign_usage_plan(*, tenant: Tenant, usage_plan: UsagePlan | None, actor: Actor, as_of: datetime) -> bool:
    """Give the tenant this plan, or none and so no limits, from now on. Answers whether anything changed."""
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
    expire_limits()
    return True


def assign_default_usage_plan(*, tenant: Tenant, actor: Actor, as_of: datetime) -> UsagePlan | None:
    """Put a new tenant on the default usage plan; None where the operator has none, and nothing is limited."""
    default = default_usage_plan()
    if default is not None:
        assign_usage_plan(tenant=tenant, usage_plan=default, actor=actor, as_of=as_of)
    return default


def default_usage_plan() -> UsagePlan | None:
    """The plan that new tenants get, if the operator chose one."""
    return UsagePlan.objects.filter(is_default=True).first()


def described(usage_plan: UsagePlan) -> dict[str, object]:
    """A usage plan as the audit log shows it."""
    quotas = usage_plan.quotas.select_related("meter").order_by("meter__code", "period")
    return {
        "name": usage_plan.name,
        "throttle_rate": usage_plan.throttle_rate,
        "throttle_burst": usage_plan.throttle_burst,
        "is_default": usage_plan.is_default,
        "quotas": [
            f"{quota.limit.normalize():f} {quota.meter.code} a {quota.period}, {'hard' if quota.is_hard else 'soft'}"
            for quota in quotas
        ],
    }


def _own_fields(terms: UsagePlanTerms) -> dict[str, object]:
    return {
        "name": terms.name.strip(),
        "throttle_rate": terms.throttle_rate,
        "throttle_burst": terms.throttle_burst,
        "is_default": terms.is_default,
    }


def _make_room_for_default(terms: UsagePlanTerms, keep: UsagePlan | None = None) -> None:
    """There is one default at most, so the newest takes over."""
    if terms.is_default:
        others = UsagePlan.objects.filter(is_default=True)
        (others if keep is None else others.exclude(pk=keep.pk)).update(is_default=False)


def _add_quotas(usage_plan: UsagePlan, quotas: Iterable[QuotaTerms]) -> None:
    meters = {meter.code: meter for meter in Meter.objects.filter(code__in=[quota.meter_code for quota in quotas])}
    for quota in quotas:
        if quota.meter_code not in meters:
            raise UnknownMeterError(f"There is no meter {quota.meter_code}.")
    UsagePlanQuota.objects.bulk_create(
        UsagePlanQuota(
            usage_plan=usage_plan,
            meter=meters[quota.meter_code],
            period=quota.period.value,
            limit=quota.limit,
            is_hard=quota.is_hard,
        )
        for quota in quotas
    )


def _record(usage_plan: UsagePlan, action: str, *, before: dict[str, object], actor: Actor, as_of: datetime) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=None,
        target_kind="usage_plan",
        target_id=usage_plan.pk,
        target_label=usage_plan.code,
        before=before,
        after=described(usage_plan),
        as_of=as_of,
    )
