"""The pages of budgets, as an admin uses them."""

from decimal import Decimal

import pytest
from django.test import Client

from accounts.domain.actor import Actor
from metering.domain.budgets import BudgetScope, BudgetTerms
from metering.domain.periods import Period
from metering.models import Budget
from metering.services.budgets import create_budget
from tests.portal.conftest import NOW, Cast, signed_in

HOME = "/t/acme/budgets/"
REQUESTS = {
    "scope": "tenant",
    "measure": "api_requests",
    "limit": "5000",
    "period": "month",
    "thresholds": "50, 100 %",
    "does_stop": "on",
}


@pytest.fixture
def alice(cast: Cast) -> Client:
    return signed_in(cast.alice)


def test_an_owner_creates_raises_pauses_and_deletes_a_budget(alice: Client) -> None:
    assert "No budgets yet" in alice.get(HOME).content.decode()
    assert alice.post(f"{HOME}new/", REQUESTS).status_code == 302
    budget = Budget.objects.get()
    assert (budget.limit, budget.thresholds, budget.does_stop) == (5000, [50, 100], True)
    page = alice.get(HOME).content.decode()
    assert "of 5,000 requests" in page
    assert "still counts" in page

    changed = {"limit": "6000", "thresholds": "", "does_stop": ""}
    assert alice.post(f"{HOME}{budget.pk}/edit/", changed).status_code == 302
    budget.refresh_from_db()
    assert (budget.limit, budget.thresholds, budget.does_stop) == (6000, [], False)
    for name in ("pause", "delete"):
        assert "this budget?" in alice.get(f"{HOME}{budget.pk}/{name}/").content.decode()
        assert alice.post(f"{HOME}{budget.pk}/{name}/").status_code == 302
        assert Budget.objects.filter(is_paused=True).count() == (1 if name == "pause" else 0)
    assert not Budget.objects.exists()


def test_money_is_entered_in_the_major_unit(alice: Client) -> None:
    body = REQUESTS | {"measure": "money:EUR", "limit": "12.50", "scope": "subject", "subject": "ann"}
    assert alice.post(f"{HOME}new/", body).status_code == 302
    budget = Budget.objects.get()
    assert (budget.currency, budget.limit, budget.scope_id) == ("EUR", 1250, "ann")
    assert 'value="12.50"' in alice.get(f"{HOME}{budget.pk}/edit/").content.decode()
    page = alice.get(HOME).content.decode()
    assert "of 12.50 EUR" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "Subject ann" in page


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"scope": "api_key"}, "A key&#x27;s id or a subject"),
        ({"thresholds": "half"}, "Percentages such as"),
        ({"thresholds": "0"}, "A threshold is a percentage"),
        ({"measure": "money:EUR", "limit": "0.001"}, "An amount is a whole number"),
    ],
)
def test_what_cannot_be_is_an_error_at_its_field(alice: Client, body: dict[str, str], text: str) -> None:
    page = alice.post(f"{HOME}new/", REQUESTS | body)
    assert page.status_code == 422
    assert text in page.content.decode()
    assert not Budget.objects.exists()


def test_a_budget_that_exists_is_named_above_the_form(alice: Client, cast: Cast) -> None:
    terms = BudgetTerms(BudgetScope.TENANT, Period.MONTH, Decimal(1), meter_code="api_requests")
    create_budget(tenant=cast.acme, terms=terms, actor=Actor.system("test"), as_of=NOW)
    assert "Change the budget that exists" in alice.post(f"{HOME}new/", REQUESTS).content.decode()
