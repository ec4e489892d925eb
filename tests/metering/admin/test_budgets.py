"""Budgets in the admin: read, never changed, and money shown as money."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.domain.actor import Actor
from metering.domain.budgets import BudgetScope, BudgetTerms
from metering.domain.periods import Period
from metering.models import Budget
from metering.services.budgets import create_budget
from tests.metering.alerts.admin.test_alerts import staff_client
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
LIST = "/admin/metering/budget/"


@pytest.mark.parametrize("group", ["", "Read-only", "Support", "Billing"])
def test_staff_read_budgets_and_change_none(group: str) -> None:
    acme = make_tenant("acme")
    for terms in (
        BudgetTerms(BudgetScope.TENANT, Period.MONTH, Decimal(50_000), currency=acme.currency, does_stop=True),
        BudgetTerms(BudgetScope.SUBJECT, Period.DAY, Decimal(5), scope_id="ann", meter_code="api_requests"),
    ):
        budget = create_budget(tenant=acme, terms=terms, actor=Actor.system("test"), as_of=NOW)
    Budget.objects.filter(scope="tenant").update(stopped_until_at=NOW, stopped_at_quantity=1)
    staff = staff_client("robin@example.org", group=group)

    page = staff.get(LIST).content.decode().replace("\N{NO-BREAK SPACE}", " ")

    assert f"500.00 {acme.currency}" in page
    assert "5 requests of API requests" in page
    assert ("50, 75" not in page, "50 %, 75 %, 90 %, 100 %" in page) == (True, True)
    assert ("Refusing" in page, "Warns" in page) == (True, True)
    one = reverse("admin:metering_budget_change", args=[budget.pk])
    assert staff.get(one).status_code == 200
    assert staff.post(one, {"limit": 1}).status_code == 403
    assert staff.get(f"{LIST}add/").status_code == 403


def test_a_budget_says_whether_it_is_paused_or_refuses() -> None:
    acme = make_tenant("acme")
    terms = BudgetTerms(BudgetScope.TENANT, Period.DAY, Decimal(5), meter_code="api_requests", does_stop=True)
    create_budget(tenant=acme, terms=terms, actor=Actor.system("test"), as_of=NOW)
    staff = staff_client("robin@example.org")
    assert ">Refuses<" in "".join(staff.get(LIST).content.decode().split())
    Budget.objects.update(is_paused=True)
    assert ">Paused<" in "".join(staff.get(LIST).content.decode().split())
