"""The pages of budgets: how much of each is used, and creating, changing, pausing and deleting one."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.domain.numbers import number_text, unit_name
from accounts.domain.roles import Capability
from accounts.errors import ProblemError
from accounts.models import ApiKey
from billing.domain.money import currency_digits, money_text, to_major
from metering.alerts.domain.alerts import percent_of
from metering.domain.budgets import BudgetScope, BudgetTerms, straight_line
from metering.domain.http_requests import API_REQUESTS
from metering.domain.periods import Period
from metering.models import Budget, Meter
from metering.selectors.budget_usage import BudgetWindow, budget_windows
from metering.selectors.budgets import budget_of_tenant, budgets_of_tenant
from metering.selectors.catalog import meter_rules
from metering.services.budgets import change_budget, create_budget, delete_budget
from portal.access import Portal, SignedInRequest, tenant_page
from portal.confirmation import Confirmation, confirmation_page
from portal.forms.budgets import BudgetChangeForm, BudgetForm
from portal.forms.problems import show_problem

WRITES: Final = ("GET", "HEAD", "POST")
_MONEY: Final = "money:"
_WHOLE: Final = Decimal(100)
_PLACES: Final = Decimal("0.1")
# The page's names of the form's fields, by those of the service.
_FIELDS: Final = {"scope_id": "scope", "meter": "measure", "currency": "measure"}


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


@tenant_page("budgets", Capability.MANAGE_TENANT)
def budgets(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render all budgets of the tenant: there are few."""
    found = list(budgets_of_tenant(tenant_id=portal.tenant.pk))
    windows = {window.budget.pk: window for window in budget_windows(as_of=portal.as_of, tenant_ids=[portal.tenant.pk])}
    names = dict(_keys(portal))
    rows = [BudgetRow.of(budget, windows.get(budget.pk), names, portal) for budget in found]
    return render(request, "portal/budgets.html", {"portal": portal, "rows": rows})


@tenant_page("budgets", Capability.MANAGE_TENANT, methods=WRITES)
def budget_new(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the form of a new budget, or create it."""
    data = request.POST if request.method == "POST" else None
    form = BudgetForm(data, measures=_measures(portal), keys=_keys(portal))
    if form.is_valid():
        try:
            create_budget(tenant=portal.tenant, terms=_terms(form.cleaned_data), actor=portal.actor, as_of=portal.as_of)
        except ProblemError as error:
            _show(form, error)
        else:
            messages.success(request, "The budget is created.")
            return redirect("portal:budgets", portal.tenant.slug)
    context = {"portal": portal, "form": form}
    return render(request, "portal/budget_form.html", context, status=422 if form.errors else 200)


@tenant_page("budgets", Capability.MANAGE_TENANT, methods=WRITES)
def budget_edit(request: SignedInRequest, portal: Portal, budget_id: UUID) -> HttpResponse:
    """Render the form of a budget, or save it. It applies within a second."""
    budget = budget_of_tenant(tenant_id=portal.tenant.pk, budget_id=budget_id)
    limit = to_major(int(budget.limit), budget.currency) if budget.currency else budget.limit.normalize()
    initial = {
        "limit": f"{limit:f}",
        "thresholds": ", ".join(str(threshold) for threshold in budget.thresholds),
        "does_stop": budget.does_stop,
    }
    data = request.POST if request.method == "POST" else None
    form = BudgetChangeForm(data, initial=initial, is_money=bool(budget.currency))
    if form.is_valid():
        wanted = form.cleaned_data | {"limit": _limit(form.cleaned_data["limit"], budget.currency)}
        try:
            change_budget(budget=budget, actor=portal.actor, as_of=portal.as_of, **wanted)
        except ProblemError as error:
            _show(form, error)
        else:
            messages.success(request, "The budget is saved. It applies to requests within a second.")
            return redirect("portal:budgets", portal.tenant.slug)
    context = {"portal": portal, "form": form, "budget": budget}
    return render(request, "portal/budget_form.html", context, status=422 if form.errors else 200)


@tenant_page("budgets", Capability.MANAGE_TENANT, methods=WRITES)
def budget_pause(request: SignedInRequest, portal: Portal, budget_id: UUID) -> HttpResponse:
    """Confirm first, then pause a budget, or resume one that is paused."""
    budget = budget_of_tenant(tenant_id=portal.tenant.pk, budget_id=budget_id)
    if request.method == "POST":
        changed = change_budget(budget=budget, actor=portal.actor, as_of=portal.as_of, is_paused=not budget.is_paused)
        messages.success(request, "The budget is paused." if changed.is_paused else "The budget is active again.")
        return redirect("portal:budgets", portal.tenant.slug)
    verb = "Resume" if budget.is_paused else "Pause"
    text = "It alerts and stops again." if budget.is_paused else "It neither alerts nor refuses until you resume it."
    return _confirm(request, portal, Confirmation(f"{verb} this budget?", text, f"{verb} budget", ""))


@tenant_page("budgets", Capability.MANAGE_TENANT, methods=WRITES)
def budget_delete(request: SignedInRequest, portal: Portal, budget_id: UUID) -> HttpResponse:
    """Confirm first, then delete a budget."""
    budget = budget_of_tenant(tenant_id=portal.tenant.pk, budget_id=budget_id)
    if request.method == "POST":
        delete_budget(budget=budget, actor=portal.actor, as_of=portal.as_of)
        messages.success(request, "The budget is deleted.")
        return redirect("portal:budgets", portal.tenant.slug)
    text = "It refuses nothing any more. Its alerts stay. To stop it for a while, pause it instead."
    return _confirm(request, portal, Confirmation("Delete this budget?", text, "Delete budget", ""))


def _confirm(request: SignedInRequest, portal: Portal, asked: Confirmation) -> HttpResponse:
    back = reverse("portal:budgets", args=[portal.tenant.slug])
    return confirmation_page(request, portal, Confirmation(asked.title, asked.text, asked.label, back))


def _show(form: BudgetChangeForm, error: ProblemError) -> None:
    """Show a refusal at the field of the form that it is about."""
    if not error.field_errors:
        show_problem(form, error)
    for refused in error.field_errors:
        pointer = refused.pointer.strip("/")
        name = _FIELDS.get(pointer, pointer)
        form.add_error(name if name in form.fields else None, refused.detail)


def _measures(portal: Portal) -> Sequence[tuple[str, str]]:
    """Return what a budget may count: requests first, then the other meters by name, then money."""
    additive = {rule.code for rule in meter_rules() if rule.aggregation.is_additive}
    named = Meter.objects.filter(code__in=additive).values_list("code", "name")
    meters = sorted(named, key=lambda one: (one[0] != API_REQUESTS, one[1]))
    currency = portal.tenant.currency
    return [*meters, (f"{_MONEY}{currency}", f"Money ({currency})")]


def _keys(portal: Portal) -> list[tuple[str, str]]:
    """Return the first key of each line of rotations that still works, with its name."""
    keys = ApiKey.objects.of_tenant(portal.tenant.pk).filter(revoked_at=None).order_by("name", "pk")
    return list({str(key.family_id or key.pk): f"{key.name} ({key.prefix})" for key in keys}.items())


def _terms(entered: dict[str, Any]) -> BudgetTerms:
    scope, measure = BudgetScope(entered["scope"]), entered["measure"]
    currency = measure.removeprefix(_MONEY) if measure.startswith(_MONEY) else ""
    named = {BudgetScope.API_KEY: entered["api_key"], BudgetScope.SUBJECT: entered["subject"]}
    return BudgetTerms(
        scope=scope,
        period=Period(entered["period"]),
        limit=_limit(entered["limit"], currency),
        scope_id=named.get(scope, ""),
        meter_code="" if currency else measure,
        currency=currency,
        thresholds=entered["thresholds"],
        does_stop=entered["does_stop"],
    )


def _limit(entered: Decimal, currency: str) -> Decimal:
    return entered.scaleb(currency_digits(currency)) if currency else entered


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
