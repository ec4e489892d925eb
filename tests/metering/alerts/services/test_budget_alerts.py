"""Alerts of budgets in units: each threshold once, with a forecast, in the outbox and by mail."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import Tenant
from accounts.notices.models import OutboundMail, OutboxEvent
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import monitor_thresholds
from metering.domain.budgets import BudgetScope, BudgetTerms
from metering.domain.periods import Period
from metering.models import Budget
from metering.services.budgets import change_budget, create_budget
from tests.metering.alerts.alert_world import NOON, OPERATOR, TOKENS, customer, plan_of, use
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_key, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Tenant:
    plan_of()
    return customer("acme")


def budget(tenant: Tenant, limit: int = 100, **fields: object) -> Budget:
    terms = BudgetTerms(
        **({"scope": BudgetScope.TENANT, "period": Period.DAY, "limit": Decimal(limit), "meter_code": TOKENS} | fields)  # type: ignore[arg-type] # as a test names them
    )
    return create_budget(tenant=tenant, terms=terms, actor=OPERATOR, as_of=LONG_AGO)


def thresholds_at(as_of: object = NOON) -> list[int | None]:
    return [alert.threshold for alert in monitor_thresholds(as_of=as_of).alerts]  # type: ignore[arg-type] # a time


def test_each_threshold_of_a_budget_is_told_once_with_what_the_period_comes_to(acme: Tenant) -> None:
    wanted = budget(acme, does_stop=True)
    use(acme, 80, at=NOON)
    assert thresholds_at() == [50, 75]
    assert thresholds_at() == []

    alert = ThresholdAlert.objects.first()
    assert alert is not None
    assert (alert.kind, alert.budget_id, alert.quantity, alert.expected) == ("budget", wanted.pk, 80, 160)
    body = OutboxEvent.objects.order_by("-pk").first()
    assert body is not None
    assert (body.payload["kind"], body.payload["budget"], body.payload["meter"]) == ("budget", str(wanted.pk), TOKENS)
    mail = OutboundMail.objects.get()
    assert mail.subject == "Acme: 75 % of the budget for tokens is used"
    assert "80 tokens of 100 tokens. Usage passed 50 % and 75 % of the budget." in mail.text
    assert "At this rate the period comes to 160 tokens." in mail.text
    assert "Requests beyond the budget will be refused until 11 March 2026 (UTC), or until you raise it." in mail.text

    use(acme, 20, at=NOON)
    assert thresholds_at() == [90, 100]
    change_budget(budget=wanted, actor=OPERATOR, as_of=NOON, limit=Decimal(110))
    assert thresholds_at() == [50, 75, 90], "another limit arms the thresholds again"
    assert thresholds_at(NOON + timedelta(days=1)) == []


def test_budgets_count_their_own_key_and_subject(acme: Tenant) -> None:
    key, _ = make_key(acme)
    budget(acme, 10, scope=BudgetScope.API_KEY, scope_id=str(key.pk), thresholds=(100,))
    budget(acme, 20, scope=BudgetScope.SUBJECT, scope_id="ann", thresholds=(100,))
    event = {"type": TOKENS, "timestamp": NOON.isoformat()}
    send(ledger_of(acme), [event | {"id": "1", "quantity": "10"}], as_of=NOON, api_key_id=key.pk)
    assert [alert.meter_name for alert in monitor_thresholds(as_of=NOON).alerts] == ["tokens of a key"]
    send(ledger_of(acme), [event | {"id": "2", "quantity": "20", "subject": "ann"}], as_of=NOON)
    [raised] = monitor_thresholds(as_of=NOON).alerts
    assert (raised.meter_name, raised.facts.subject) == ("tokens of the subject ann", "ann")


def test_a_paused_budget_and_one_that_is_newer_than_the_period_tell_nothing(acme: Tenant) -> None:
    paused = budget(acme)
    use(acme, 100, at=NOON)
    change_budget(budget=paused, actor=OPERATOR, as_of=NOON, is_paused=True)
    assert thresholds_at() == []
    change_budget(budget=paused, actor=OPERATOR, as_of=NOON, is_paused=False)
    Budget.objects.update(created_at=NOON + timedelta(hours=12))
    assert monitor_thresholds(as_of=NOON + timedelta(hours=13)).alerts == ()
    Budget.objects.update(created_at=LONG_AGO)
    [last, *_] = monitor_thresholds(as_of=NOON + timedelta(hours=13)).alerts[::-1]
    assert "That day has ended since." in OutboundMail.objects.get().text
    assert last.threshold == 100
