"""A tenant's budgets with what is used of each, as the pages show them."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from accounts.domain.numbers import number_text, unit_name
from accounts.models import ApiKey
from billing.domain.money import money_text
from metering.alerts.domain.alerts import percent_of
from metering.domain.budgets import BudgetScope, straight_line
from metering.domain.periods import Period
from metering.models import Budget
from metering.selectors.budget_usage import BudgetWindow, budget_windows
from metering.selectors.budgets import budgets_of_tenant
from portal.access import Portal

_WHOLE: Final = Decimal(100)
_PLACES: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget with its use, as a bar and in numbers. `use` is None if it is paused or cannot be rated now."""

    budget: Budget
    title: str
    whose: str
    limit: str
    use: str | None
    ahead: str
    percent: Decimal
    filled: Decimal
    marks: tuple[Decimal, ...]
    level: str
    is_refusing: bool

    @classmethod
    def of(cls, budget: Budget, window: BudgetWindow | None, key_names: dict[str, str], portal: Portal) -> "BudgetRow":
        """Return the row; positions are percentages of the bar's length."""
        used = Decimal(0) if window is None else window.used
        percent = percent_of(used, budget.limit)
        scale = max(percent, _WHOLE)
        is_over = used >= budget.limit
        is_stopped = budget.stopped_until_at is not None and portal.as_of < budget.stopped_until_at
        reached = [threshold for threshold in budget.thresholds if percent >= threshold]
        measure = "Spend" if budget.meter is None else budget.meter.name
        return cls(
            budget=budget,
            title=f"{measure}, {Period(budget.period).words_of_current}",
            whose=_whose(budget, key_names),
            limit=_amount(budget.limit, budget),
            use=None if window is None else _amount(used, budget),
            ahead="" if window is None else _amount(_ahead(window, portal), budget),
            percent=percent.quantize(_PLACES, ROUND_FLOOR),
            filled=_share(percent, scale),
            marks=tuple(_share(Decimal(threshold), scale) for threshold in budget.thresholds if threshold <= scale),
            level="danger" if is_over else "warn" if reached else "",
            is_refusing=budget.does_stop and not budget.is_paused and (is_stopped if budget.currency else is_over),
        )


def budget_rows(portal: Portal) -> list[BudgetRow]:
    """Return all budgets of the tenant, the newest first: there are few."""
    found = list(budgets_of_tenant(tenant_id=portal.tenant.pk))
    if not found:
        return []
    windows = {window.budget.pk: window for window in budget_windows(as_of=portal.as_of, tenant_ids=[portal.tenant.pk])}
    names = dict(key_choices(portal))
    return [BudgetRow.of(budget, windows.get(budget.pk), names, portal) for budget in found]


def key_choices(portal: Portal) -> list[tuple[str, str]]:
    """Return the first key of each line of rotations that still works, with its name."""
    keys = ApiKey.objects.of_tenant(portal.tenant.pk).filter(revoked_at=None).order_by("name", "pk")
    return list({str(key.family_id or key.pk): f"{key.name} ({key.prefix})" for key in keys}.items())


def _whose(budget: Budget, key_names: dict[str, str]) -> str:
    if budget.scope == BudgetScope.TENANT:
        return "The whole organisation"
    if budget.scope == BudgetScope.SUBJECT:
        return f"Subject {budget.scope_id}"
    return f"Key {key_names.get(budget.scope_id, 'that is revoked')}"


def _amount(quantity: Decimal, budget: Budget) -> str:
    if budget.meter is None:
        return money_text(int(quantity), budget.currency)
    return f"{number_text(quantity)} {unit_name(budget.meter.unit, quantity)}"


def _ahead(window: BudgetWindow, portal: Portal) -> Decimal:
    return straight_line(max(window.used, Decimal(0)), window.span, portal.as_of).to_integral_value()


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return (part * _WHOLE / whole).quantize(_PLACES, ROUND_FLOOR)
