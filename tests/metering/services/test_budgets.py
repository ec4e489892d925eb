"""Budgets: what a customer may enter, and what is stored."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import InvalidFieldsError, PermissionMissingError
from metering.domain.budgets import BudgetScope
from metering.domain.periods import Period
from metering.errors import BudgetExistsError, TooManyBudgetsError
from metering.models import Budget
from metering.services import budgets as services
from metering.services.budgets import create_budget
from tests.metering.budget_world import NOW, budget_of, budget_terms
from tests.metering.ledger_world import make_key, make_meter, make_tenant
from tests.metering.services.limits.limit_world import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Caller:
    return Caller(make_tenant("acme"))


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"currency": "EUR", "meter_code": "api_requests"}, "/meter"),
        ({"meter_code": ""}, "/meter"),
        ({"meter_code": "unknown"}, "/meter"),
        ({"meter_code": "peak"}, "/meter"),
        ({"currency": "USD"}, "/currency"),
        ({"currency": "EUR", "limit": "1.5"}, "/limit"),
        ({"limit": "0"}, "/limit"),
        ({"scope_id": "alice"}, "/scope_id"),
        ({"scope": BudgetScope.SUBJECT}, "/scope_id"),
        ({"scope": BudgetScope.SUBJECT, "scope_id": "x" * 256}, "/scope_id"),
        ({"scope": BudgetScope.API_KEY, "scope_id": "unknown"}, "/scope_id"),
        ({"thresholds": (0,)}, "/thresholds"),
        ({"thresholds": tuple(range(1, 12))}, "/thresholds"),
    ],
)
def test_terms_that_cannot_be_are_refused_by_name(caller: Caller, fields: dict[str, Any], pointer: str) -> None:
    make_meter("peak", "http_request", aggregation="max", value_property="response_length")
    with pytest.raises(InvalidFieldsError) as refused:
        budget_of(caller, fields.pop("limit", "3"), **fields)
    assert [error.pointer for error in refused.value.field_errors] == [pointer]
    assert not Budget.objects.exists()


def test_a_scope_has_one_budget_on_a_measure_and_period(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = budget_of(caller)
    with pytest.raises(BudgetExistsError):
        budget_of(caller, "9")
    budget_of(caller, "9", period=Period.DAY)
    monkeypatch.setattr(services, "BUDGETS_MAX", 2)
    with pytest.raises(TooManyBudgetsError):
        budget_of(caller, "9", period=Period.WEEK)
    for name, change in {
        "budget_scope_known": {"scope": "other", "scope_id": "x"},
        "budget_period_known": {"period": "year"},
        "budget_scope_named": {"scope_id": "alice"},
        "budget_measured_one_way": {"currency": "EUR"},
        "budget_positive": {"limit": 0},
        "budget_stopped_whole": {"stopped_until_at": NOW},
        "budget_once": {"period": "day"},
    }.items():
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Budget.objects.filter(pk=budget.pk).update(**change)


def test_a_budget_is_of_its_own_tenants_key_and_is_set_by_who_may() -> None:
    acme, rival = make_tenant("acme"), make_tenant("rival")
    foreign, _ = make_key(rival)
    terms = budget_terms(scope=BudgetScope.API_KEY, scope_id=str(foreign.pk))
    viewer = Actor.system("viewer")
    object.__setattr__(viewer, "role", Role.DEVELOPER)
    with pytest.raises(InvalidFieldsError):
        create_budget(tenant=acme, terms=terms, actor=Actor.system("operator"), as_of=NOW)
    with pytest.raises(PermissionMissingError):
        create_budget(tenant=acme, terms=budget_terms(), actor=viewer, as_of=NOW)
