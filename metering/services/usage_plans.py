"""Create, change and delete usage plans, and assign them to tenants.

A change applies in every process within a second.
"""

from collections.abc import Iterable
from contextvars import copy_context
from datetime import date, datetime
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts.domain.actor import Actor
from accounts.domain.reach import within_tenant
from accounts.errors import FieldError, InvalidFieldsError, StoreUnavailableError
from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from metering.domain.aggregations.registry import ADDITIVE_CODES
from metering.domain.codes import code_errors
from metering.domain.ledger import Ledger
from metering.domain.usage_plan_terms import QuotaTerms, ThrottleTerms, UsagePlanTerms, check_terms
from metering.errors import CodeTakenError, InUseError, UnknownEventTypeCodeError, UnknownMeterError
from metering.models import EventType, Meter, UsagePlan, UsagePlanAssignment, UsagePlanQuota, UsagePlanThrottle
from metering.selectors.ledgers import half_of
from metering.selectors.limits import forget_limits
from metering.services.limits.asking import note_uncounted
from metering.services.limits.counting import forget_counters


def create_usage_plan(*, code: str, terms: UsagePlanTerms, actor: Actor, as_of: datetime) -> UsagePlan:
    """Create a usage plan. Raises `InvalidFieldsError`, `UnknownMeterError`, `CodeTakenError`."""
    check_terms(terms)
    if found := tuple(code_errors(code)):
        raise InvalidFieldsError(found[0].detail, field_errors=found)
    with transaction.atomic():
        _make_room_for_default(terms)
        try:
            with transaction.atomic():
                usage_plan = UsagePlan.objects.create(code=code, created_at=as_of, **_own_fields(terms))
        except IntegrityError as error:
            raise CodeTakenError(f"The usage plan {code} already exists.") from error
        _set_quotas(usage_plan, terms.quotas)
        _set_throttles(usage_plan, terms.throttles)
        _record(usage_plan, "usage_plan.created", before={}, after=described(usage_plan), actor=actor, as_of=as_of)
    forget_limits()
    return usage_plan


def update_usage_plan(*, usage_plan: UsagePlan, terms: UsagePlanTerms, actor: Actor, as_of: datetime) -> UsagePlan:
    """Change a usage plan's terms, for every tenant on it. Earlier usage of the period still counts.

    Raises `InvalidFieldsError`, `UnknownMeterError`.
    """
    check_terms(terms)
    with transaction.atomic():
        current = UsagePlan.objects.select_for_update().get(pk=usage_plan.pk)
        before = described(current)
        _make_room_for_default(terms, keep=current)
        UsagePlan.objects.filter(pk=current.pk).update(**_own_fields(terms))
        _set_quotas(current, terms.quotas)
        _set_throttles(current, terms.throttles)
        current.refresh_from_db()
        after = described(current)
        if after != before:
            _record(current, "usage_plan.updated", before=before, after=after, actor=actor, as_of=as_of)
    forget_limits()
    return current


def delete_usage_plan(*, usage_plan: UsagePlan, actor: Actor, as_of: datetime) -> None:
    """Delete a usage plan that has no tenants and that no plan sells. Raises `InUseError`."""
    with transaction.atomic():
        current = UsagePlan.objects.select_for_update().get(pk=usage_plan.pk)
        _record(current, "usage_plan.deleted", before=described(current), after={}, actor=actor, as_of=as_of)
        try:
            current.delete()
        except ProtectedError as error:
            raise InUseError(f"{current.name} is in use and cannot be deleted.") from error
    forget_limits()


def assign_usage_plan(*, tenant: Tenant, usage_plan: UsagePlan | None, actor: Actor, as_of: datetime) -> bool:
    """Assign this usage plan to the tenant, or none and so no limits. Returns whether anything changed."""
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
            target=AuditTarget("tenant", tenant.pk, tenant.slug),
            before={"usage_plan": None if before is None else before.code},
            after={"usage_plan": None if usage_plan is None else usage_plan.code},
            as_of=as_of,
        )
        if usage_plan is not None:
            # Alone and last: a run assigns plans to many tenants in one transaction, and counters are not held so long.
            reach = copy_context()
            for is_live in (True, False):
                transaction.on_commit(partial(reach.run, _count_again, half_of(tenant, is_live=is_live), as_of))
    forget_limits()
    return True


@transaction.atomic
def _count_again(ledger: Ledger, as_of: datetime) -> None:
    """Mark counters as unknown: one that no limit named meanwhile has missed what was reported."""
    with within_tenant(ledger.tenant_id):
        try:
            forget_counters(ledger=ledger, as_of=as_of)
        except StoreUnavailableError:
            note_uncounted(ledger, as_of)


def assign_default_usage_plan(*, tenant: Tenant, actor: Actor, as_of: datetime) -> UsagePlan | None:
    """Assign the default usage plan to a new tenant. Returns None if there is none: then nothing is limited."""
    default = default_usage_plan()
    if default is not None:
        assign_usage_plan(tenant=tenant, usage_plan=default, actor=actor, as_of=as_of)
    return default


def set_period_anchor(*, tenant_id: UUID, anchor_on: date | None) -> None:
    """Set the day from which the tenant's billing periods are counted, or None: then they are calendar months.

    An app above calls it in the transaction in which an agreement begins or ends.
    """
    Tenant.objects.filter(pk=tenant_id).update(period_anchor_on=anchor_on)
    forget_limits()


def default_usage_plan() -> UsagePlan | None:
    """Return the plan that new tenants get, if the operator chose one."""
    return UsagePlan.objects.filter(is_default=True).first()


def described(usage_plan: UsagePlan) -> dict[str, object]:
    """Return a usage plan as the audit log shows it."""
    quotas = usage_plan.quotas.select_related("meter").order_by("meter__code", "period")
    return {
        "name": usage_plan.name,
        "throttle_rate": usage_plan.throttle_rate,
        "throttle_burst": usage_plan.throttle_burst,
        "is_default": usage_plan.is_default,
        "allows_in_outage": usage_plan.allows_in_outage,
        "quotas": [f"{quota.limit.normalize():f} {quota.meter.code} {quota.terms_in_words}" for quota in quotas],
        "throttles": [str(throttle) for throttle in usage_plan.throttles.select_related("event_type")],
    }


def _own_fields(terms: UsagePlanTerms) -> dict[str, object]:
    return {
        "name": terms.name.strip(),
        "throttle_rate": terms.throttle_rate,
        "throttle_burst": terms.throttle_burst,
        "is_default": terms.is_default,
        "allows_in_outage": terms.allows_in_outage,
    }


def _make_room_for_default(terms: UsagePlanTerms, keep: UsagePlan | None = None) -> None:
    """Clear the previous default: there is at most one, and the newest is it."""
    if terms.is_default:
        others = UsagePlan.objects.filter(is_default=True)
        (others if keep is None else others.exclude(pk=keep.pk)).update(is_default=False)


def _set_quotas(usage_plan: UsagePlan, quotas: Iterable[QuotaTerms]) -> None:
    """Replace a plan's quotas; a quota of the same meter and period keeps its row."""
    meters = {meter.code: meter for meter in Meter.objects.filter(code__in=[quota.meter_code for quota in quotas])}
    kept = []
    for quota in quotas:
        meter = meters.get(quota.meter_code)
        if meter is None:
            raise UnknownMeterError(f"There is no meter {quota.meter_code}.")
        if meter.aggregation not in ADDITIVE_CODES:
            refusal = FieldError("/quotas", "not_additive", f"{meter.code} is not additive, so it cannot have a quota.")
            raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))
        row, _ = UsagePlanQuota.objects.update_or_create(
            usage_plan=usage_plan,
            meter=meter,
            period=quota.period.value,
            scope=quota.scope.value,
            defaults={"limit": quota.limit, "is_hard": quota.is_hard},
        )
        kept.append(row.pk)
    usage_plan.quotas.exclude(pk__in=kept).delete()


def _set_throttles(usage_plan: UsagePlan, throttles: Iterable[ThrottleTerms]) -> None:
    """Replace a plan's further throttles; one of the same scope and event type keeps its row."""
    named = [throttle.event_type for throttle in throttles if throttle.event_type is not None]
    types = {row.code: row for row in EventType.objects.filter(code__in=named)}
    kept = []
    for throttle in throttles:
        if throttle.event_type is not None and throttle.event_type not in types:
            raise UnknownEventTypeCodeError(f"There is no event type {throttle.event_type}.")
        row, _ = UsagePlanThrottle.objects.update_or_create(
            usage_plan=usage_plan,
            scope=throttle.scope.value,
            event_type=types.get(throttle.event_type or ""),
            defaults={"rate": throttle.rate, "burst": throttle.burst},
        )
        kept.append(row.pk)
    usage_plan.throttles.exclude(pk__in=kept).delete()


def _record(
    usage_plan: UsagePlan,
    action: str,
    *,
    before: dict[str, object],
    after: dict[str, object],
    actor: Actor,
    as_of: datetime,
) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=None,
        target=AuditTarget("usage_plan", usage_plan.pk, usage_plan.code),
        before=before,
        after=after,
        as_of=as_of,
    )
