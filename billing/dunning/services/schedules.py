"""Changing dunning schedules, each with an audit entry. Open cases keep the steps that they were opened with."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.errors import FieldError, InvalidFieldsError
from accounts.services.audit import AuditTarget, record_audit
from billing.dunning.domain.schedules import check_terms
from billing.dunning.errors import DunningScheduleError
from billing.dunning.models import DunningSchedule, PlanDunning
from billing.models import Plan

FIELDS: Final = (
    "name", "retry_days", "reminder_days", "suspend_on_day", "cancel_on_day", "warn_before_days", "past_due_may_use",
    "past_due_may_change_plan", "suspended_may_use", "suspended_may_change_plan", "fee_on_day", "fee", "fee_currency",
    "interest_percent",
)  # fmt: skip


def check_schedule(given: Mapping[str, Any]) -> None:
    """Check the fields of a schedule together. Raises `InvalidFieldsError` that names each field."""
    check_terms(_built(given).terms)
    fee = [given.get("fee_on_day") is not None, given.get("fee") is not None, bool(given.get("fee_currency"))]
    if any(fee) and not all(fee):
        refusal = FieldError("/fee", "incomplete", "A fee needs its day, its amount and its currency.")
        raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))


@transaction.atomic
def save_schedule(
    *, schedule: DunningSchedule | None, changes: Mapping[str, Any], plans: Collection[Plan], actor: Actor,
    as_of: datetime,
) -> DunningSchedule:  # fmt: skip
    """Create or update a schedule and the plans that follow it, and return it.

    A plan that followed another one follows this one now. Raises `InvalidFieldsError`.
    """
    check_schedule(changes)
    given = {name: changes[name] for name in FIELDS}
    before = {} if schedule is None else {name: getattr(schedule, name) for name in FIELDS}
    if schedule is None:
        saved = DunningSchedule.objects.create(**given, created_at=as_of)
    else:
        DunningSchedule.objects.filter(pk=schedule.pk).update(**given)
        saved = DunningSchedule.objects.get(pk=schedule.pk)
    PlanDunning.objects.filter(schedule=saved).exclude(plan__in=plans).delete()
    for plan in plans:
        PlanDunning.objects.update_or_create(plan=plan, defaults={"schedule": saved})
    after = {name: value for name, value in given.items() if before.get(name) != value}
    change = (before, {**after, "plans": [plan.code for plan in plans]})
    _record(saved, "changed" if before else "created", change, actor=actor, as_of=as_of)
    return saved


@transaction.atomic
def delete_schedule(*, schedule: DunningSchedule, actor: Actor, as_of: datetime) -> None:
    """Delete a schedule; its plans follow the default one.

    Raises `DunningScheduleError` for the default one, and for one that invoices were followed up by.
    """
    if schedule.is_default:
        raise DunningScheduleError("Plans without a schedule follow the default one. Change it instead.")
    if schedule.cases.exists():
        raise DunningScheduleError("Invoices were followed up by it. Take its plans out instead.")
    _record(schedule, "deleted", ({"name": schedule.name}, {}), actor=actor, as_of=as_of)
    schedule.delete()


def _built(given: Mapping[str, Any]) -> DunningSchedule:
    return DunningSchedule(**{name: given[name] for name in FIELDS})


def _record(
    schedule: DunningSchedule,
    verb: str,
    change: tuple[Mapping[str, Any], Mapping[str, Any]],
    *,
    actor: Actor,
    as_of: datetime,
) -> None:
    before, after = change
    record_audit(
        actor=actor,
        action=f"dunning_schedule.{verb}",
        tenant_id=None,
        target=AuditTarget("dunning_schedule", schedule.pk, schedule.name),
        before={name: _shown(value) for name, value in before.items() if name in after or verb == "deleted"},
        after={name: _shown(value) for name, value in after.items()},
        as_of=as_of,
    )


def _shown(value: Any) -> object:
    """Return a value in a form that the audit log can store."""
    return value if value is None or isinstance(value, bool | int | list) else str(value)
