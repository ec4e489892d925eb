"""Budgets: created, changed, paused, deleted. A change applies to requests in every process within a second."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.plain import plain_decimal
from accounts.domain.roles import Capability
from accounts.errors import FieldError, InvalidFieldsError, NotFoundError
from accounts.models import ApiKey, Tenant
from accounts.selectors.api_keys import key_ids_named
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability
from metering.domain.budgets import BUDGETS_MAX, BudgetScope, BudgetTerms, checked_budget
from metering.domain.periods import Period
from metering.errors import BudgetExistsError, TooManyBudgetsError
from metering.models import Budget, Meter
from metering.selectors.catalog import meter_rules
from metering.selectors.ledgers import half_of
from metering.selectors.limits import forget_limits
from metering.services.limits.counting import forget_counters

CHANGEABLE = frozenset({"limit", "thresholds", "does_stop", "is_paused"})


def create_budget(*, tenant: Tenant, terms: BudgetTerms, actor: Actor, as_of: datetime) -> Budget:
    """Create a budget. What was used before, in the current period, counts.

    Raises `InvalidFieldsError`, `PermissionMissingError`, `BudgetExistsError`, `TooManyBudgetsError`.
    """
    wanted = checked_budget(terms)
    with transaction.atomic():
        locked = _lock(tenant.pk, actor)
        meter = _meter_named(wanted.meter_code) if wanted.meter_code else None
        if wanted.currency and wanted.currency != locked.currency:
            raise _refused("/currency", "invalid_currency", f"Your organisation is billed in {locked.currency}.")
        if Budget.objects.filter(tenant=locked).count() >= BUDGETS_MAX:
            raise TooManyBudgetsError(f"An organisation has at most {BUDGETS_MAX} budgets.")
        scope_id = wanted.scope_id
        if wanted.scope is BudgetScope.API_KEY:
            scope_id = str(_line_of_key(locked, wanted.scope_id))
        budget = Budget(
            id=uuid7(as_of),
            tenant=locked,
            scope=wanted.scope.value,
            scope_id=scope_id,
            meter=meter,
            currency=wanted.currency,
            limit=wanted.limit,
            period=wanted.period.value,
            thresholds=list(wanted.thresholds),
            does_stop=wanted.does_stop,
            is_paused=wanted.is_paused,
            created_at=as_of,
        )
        try:
            with transaction.atomic():
                budget.save(force_insert=True)
        except IntegrityError as error:
            raise BudgetExistsError("Change the budget that exists, or choose another period.") from error
        _count_again(locked, budget, as_of)
        _audit(actor, "budget.created", budget, as_of, before={}, after=_facts(budget))
    forget_limits()
    return budget


def change_budget(*, budget: Budget, actor: Actor, as_of: datetime, **wanted: object) -> Budget:
    """Set `limit`, `thresholds`, `does_stop` and `is_paused`; what is not named stays.

    A budget in money that has stopped requests, and is raised beyond what was spent then, lets them pass again.

    Raises `InvalidFieldsError`, `PermissionMissingError`, `NotFoundError`.
    """
    assert wanted.keys() <= CHANGEABLE, "what a customer may set"
    with transaction.atomic():
        tenant = _lock(budget.tenant_id, actor)
        current = _lock_budget(budget)
        before = _facts(current)
        terms = checked_budget(replace(_terms_of(current), **wanted))  # type: ignore[arg-type] # the caller has checked
        current.limit, current.thresholds = terms.limit, list(terms.thresholds)
        current.does_stop, current.is_paused = terms.does_stop, terms.is_paused
        if current.stopped_at_quantity is not None and (
            not current.does_stop or current.is_paused or current.limit > current.stopped_at_quantity
        ):
            current.stopped_until_at = current.stopped_at_quantity = None
        after = _facts(current)
        changed = [name for name in after if before[name] != after[name]]
        if changed:
            current.save()
            _count_again(tenant, current, as_of)
            _audit(
                actor,
                "budget.changed",
                current,
                as_of,
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )
    forget_limits()
    return current


def delete_budget(*, budget: Budget, actor: Actor, as_of: datetime) -> None:
    """Delete a budget. Its alerts stay. Raises `PermissionMissingError`, `NotFoundError`."""
    with transaction.atomic():
        _lock(budget.tenant_id, actor)
        current = _lock_budget(budget)
        _audit(actor, "budget.deleted", current, as_of, before=_facts(current), after={})
        current.delete()
    forget_limits()


def stop_by_budget(*, budget_id: UUID, spent: Decimal, until: datetime) -> bool:
    """Refuse requests until the period of a budget in money ends, since it is exceeded. Return whether it is new.

    A budget that was raised, paused or deleted meanwhile stops nothing.
    """
    exceeded = Budget.objects.filter(pk=budget_id, does_stop=True, is_paused=False, limit__lte=spent)
    exceeded = exceeded.exclude(currency="").exclude(stopped_until_at=until)
    is_new = exceeded.update(stopped_until_at=until, stopped_at_quantity=spent) == 1
    if is_new:
        forget_limits()
    return is_new


def _lock(tenant_id: UUID, actor: Actor) -> Tenant:
    tenant = lock_tenant(tenant_id)
    require_capability(actor, tenant_id, Capability.MANAGE_TENANT)
    return tenant


def _lock_budget(budget: Budget) -> Budget:
    rows = Budget.objects.select_for_update(of=("self",)).select_related("meter", "tenant")
    current: Budget | None = rows.filter(pk=budget.pk).first()
    if current is None:
        raise NotFoundError("There is no such budget.")
    return current


def _meter_named(code: str) -> Meter:
    """Return a meter whose usage can be limited: what is added up."""
    rule = next((rule for rule in meter_rules() if rule.code == code), None)
    if rule is None:
        raise _refused("/meter", "unknown_meter", "No meter has this code.")
    if not rule.aggregation.is_additive:
        raise _refused("/meter", "meter_not_additive", "A budget needs a meter that adds up, such as a count or a sum.")
    return Meter.objects.get(pk=rule.id)


def _line_of_key(tenant: Tenant, name: str) -> UUID:
    """Return the id of the key's line of rotations: a successor shares the budget."""
    ids = key_ids_named(tenant_id=tenant.pk, name=name)
    if len(ids) != 1:
        raise _refused("/scope_id", "unknown_api_key", "No key has this id, or several begin with it.")
    key = ApiKey.objects.get(pk=ids[0])
    return key.family_id or key.pk


def _count_again(tenant: Tenant, budget: Budget, as_of: datetime) -> None:
    """Mark counters as unknown: a counter that no limit named meanwhile has missed what was reported."""
    if not budget.currency:
        for is_live in (True, False):
            forget_counters(ledger=half_of(tenant, is_live=is_live), as_of=as_of)


def _terms_of(budget: Budget) -> BudgetTerms:
    return BudgetTerms(
        scope=BudgetScope(budget.scope),
        period=Period(budget.period),
        limit=budget.limit,
        scope_id=budget.scope_id,
        meter_code="" if budget.meter is None else budget.meter.code,
        currency=budget.currency,
        thresholds=tuple(budget.thresholds),
        does_stop=budget.does_stop,
        is_paused=budget.is_paused,
    )


def _facts(budget: Budget) -> dict[str, object]:
    return {
        "scope": budget.scope,
        "scope_id": budget.scope_id,
        "measure": budget.currency or (budget.meter.code if budget.meter else ""),
        "limit": plain_decimal(budget.limit),
        "period": budget.period,
        "thresholds": budget.thresholds,
        "stops": budget.does_stop,
        "is_paused": budget.is_paused,
    }


def _audit(
    actor: Actor, action: str, budget: Budget, as_of: datetime, *, before: dict[str, object], after: dict[str, object]
) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=budget.tenant_id,
        target=AuditTarget("budget", budget.pk, str(budget)),
        before=before,
        after=after,
        as_of=as_of,
    )


def _refused(pointer: str, code: str, detail: str) -> InvalidFieldsError:
    return InvalidFieldsError(detail, field_errors=(FieldError(pointer, code, detail),))
