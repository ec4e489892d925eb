"""Budgets in money: what is spent is what the invoice charges, by tenant, key and subject; and the stop."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import Tenant
from billing.domain.prices import PerUnit
from billing.models import InvoiceLine, PlanVersion
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import monitor_thresholds
from metering.domain.budgets import BudgetScope, BudgetTerms
from metering.domain.periods import Period
from metering.models import Budget
from metering.selectors.budget_usage import budget_windows
from metering.services.budgets import change_budget, create_budget
from tests.billing.world import CALLS, MARCH, STAFF, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_key, send

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
AT = MARCH + 10 * DAY


def budget(tenant: Tenant, limit: int = 1000, **fields: Any) -> Budget:
    usual = {"scope": BudgetScope.TENANT, "period": Period.BILLING, "limit": Decimal(limit), "currency": "EUR"}
    return create_budget(tenant=tenant, terms=BudgetTerms(**(usual | fields)), actor=STAFF, as_of=MARCH)


def metered() -> PlanVersion:
    """Create a plan on which a call costs 0.10 EUR."""
    make_plan()
    return make_plan("metered", usage={"calls": PerUnit(Decimal("0.10"))})


def spent(*budgets: Budget, as_of: Any = AT) -> list[int]:
    windows = {window.budget.pk: int(window.used) for window in budget_windows(as_of=as_of)}
    return [windows[one.pk] for one in budgets]


def test_what_is_spent_is_what_the_invoice_charges_and_keys_and_subjects_bear_their_share() -> None:
    plan = metered()
    subscription = subscribe_tenant(plan=plan)
    first_invoice(subscription)
    acme = subscription.tenant
    key, _ = make_key(acme)
    whole, day = budget(acme), budget(acme, period=Period.DAY)
    of_key = budget(acme, scope=BudgetScope.API_KEY, scope_id=str(key.pk))
    of_ann = budget(acme, scope=BudgetScope.SUBJECT, scope_id="ann")
    use(acme, at=MARCH + DAY, count=30)
    event = {"type": CALLS, "timestamp": AT.isoformat()}
    events = [event | {"id": uuid4().hex, "subject": "ann"} for _ in range(20)]
    send(ledger_of(acme), events, as_of=AT, api_key_id=key.pk)
    use(acme, at=AT, count=10)

    assert spent(whole, day, of_key, of_ann, as_of=AT + timedelta(minutes=1)) == [600, 300, 200, 200]
    close_month(subscription)
    assert [line.amount_minor for line in InvoiceLine.objects.filter(kind="usage")] == [600]


def test_spend_beyond_a_budget_that_stops_is_told_and_stops_until_it_is_raised_or_the_period_ends() -> None:
    plan = metered()
    acme = subscribe_tenant(plan=plan).tenant
    wanted = budget(acme, 500, does_stop=True)
    use(acme, at=AT, count=49)
    assert [alert.threshold for alert in monitor_thresholds(as_of=AT + DAY).alerts] == [50, 75, 90]
    wanted.refresh_from_db()
    assert wanted.stopped_until_at is None
    use(acme, at=AT, count=1)
    assert [alert.threshold for alert in monitor_thresholds(as_of=AT + DAY).alerts] == [100]
    wanted.refresh_from_db()
    assert wanted.stopped_until_at == MARCH + 31 * DAY
    assert wanted.stopped_at_quantity == 500
    change_budget(budget=wanted, actor=STAFF, as_of=AT + DAY, limit=Decimal(600))
    wanted.refresh_from_db()
    assert wanted.stopped_until_at is None
    monitor_thresholds(as_of=AT + DAY)
    wanted.refresh_from_db()
    assert wanted.stopped_until_at is None, "5.00 of 6.00 EUR are spent"
    assert ThresholdAlert.objects.filter(currency="EUR", limit=500, quantity=500).count() == 1


def test_without_a_plan_nothing_is_spent() -> None:
    plan_less = subscribe_tenant(plan=metered()).tenant
    other = Tenant.objects.create(
        id=uuid4(), slug="other", name="Other", time_zone="UTC", currency="EUR", created_at=MARCH
    )
    assert spent(budget(other), budget(plan_less)) == [0, 0]
