"""Budgets for staff: the list, and what is set. Customers change them, staff do not."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.domain.numbers import number_text, unit_name
from metering.models import Budget
from metering.selectors.budget_usage import spend_source

STATE_LABELS = {"Warns": "info", "Refuses": "success", "Paused": "warning", "Refusing": "danger"}


@admin.register(Budget)
class BudgetAdmin(ReadOnlyModelAdmin):
    """The admin of budgets."""

    list_display = ("tenant", "scope", "scope_id", "shown_limit", "period", "shown_thresholds", "state", "created_at")
    list_filter = (
        ("scope", ChoicesDropdownFilter),
        ("period", ChoicesDropdownFilter),
        "does_stop",
        "is_paused",
    )
    list_filter_submit = True
    list_select_related = ("tenant", "meter")
    search_fields = ("tenant__slug", "tenant__name", "scope_id")
    fields = (
        "id", "tenant", "scope", "scope_id", "meter", "shown_limit", "period", "shown_thresholds", "state",
        "stopped_until_at", "created_at",
    )  # fmt: skip
    readonly_fields = fields

    @display(description="Limit", ordering="limit")
    def shown_limit(self, budget: Budget) -> str:
        """Return the limit in units of the meter, or as money."""
        if budget.meter is None:
            return spend_source().text(budget.limit, budget.currency)
        return f"{number_text(budget.limit)} {unit_name(budget.meter.unit, budget.limit)} of {budget.meter.name}"

    @display(description="Alerts at")
    def shown_thresholds(self, budget: Budget) -> str:
        """Return the percentages at which it warns."""
        return ", ".join(f"{threshold} %" for threshold in budget.thresholds) or "-"

    @display(description="State", label=STATE_LABELS)
    def state(self, budget: Budget) -> str:
        """Return what it does; a budget in money that is exceeded is refusing until its period ends."""
        if budget.is_paused:
            return "Paused"
        if budget.stopped_until_at is not None:
            return "Refusing"
        return "Refuses" if budget.does_stop else "Warns"
