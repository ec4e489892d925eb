"""The pages of budgets: how much of each is used, and creating, changing, pausing and deleting one."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.domain.roles import Capability
from accounts.errors import ProblemError
from billing.domain.money import currency_digits, to_major
from metering.domain.budgets import BudgetScope, BudgetTerms
from metering.domain.http_requests import API_REQUESTS
from metering.domain.periods import Period
from metering.models import Meter
from metering.selectors.budgets import budget_of_tenant
from metering.selectors.catalog import meter_rules
from metering.services.budgets import change_budget, create_budget, delete_budget
from portal.access import Portal, SignedInRequest, tenant_page
from portal.budget_rows import budget_rows, key_choices
from portal.confirmation import Confirmation, confirmation_page
from portal.forms.budgets import BudgetChangeForm, BudgetForm
from portal.forms.problems import show_problem

WRITES: Final = ("GET", "HEAD", "POST")
_MONEY: Final = "money:"
# The page's names of the form's fields, by those of the service.
_FIELDS: Final = {"scope_id": "scope", "meter": "measure", "currency": "measure"}


@tenant_page("budgets", Capability.MANAGE_TENANT)
def budgets(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render all budgets of the tenant: there are few."""
    return render(request, "portal/budgets.html", {"portal": portal, "rows": budget_rows(portal)})


@tenant_page("budgets", Capability.MANAGE_TENANT, methods=WRITES)
def budget_new(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the form of a new budget, or create it."""
    data = request.POST if request.method == "POST" else None
    form = BudgetForm(data, measures=_measures(portal), keys=key_choices(portal))
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
