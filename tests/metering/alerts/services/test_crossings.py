"""Predicted crossings: told once for a quota and period, with the day and its interval, and only if they are likely."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import JobRun, Tenant
from accounts.notices.models import Notice, OutboundMail, OutboxEvent
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.crossings import predict_crossings, run_crossings
from metering.domain.periods import Period
from tests.metering.alerts.alert_world import change_plan, customer, quota
from tests.metering.alerts.crossing_world import MID_MONTH, steady_days

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def told(tenant: Tenant) -> list[tuple[str, date | None]]:
    alerts = ThresholdAlert.objects.filter(tenant=tenant, kind="forecast").order_by("id")
    return [(alert.quota_period, alert.crosses_on) for alert in alerts]


def test_a_crossing_is_told_once_by_alert_mail_notice_and_webhook() -> None:
    acme = customer("acme", quota(2400))
    steady_days(acme, 100)

    [raised] = predict_crossings(as_of=MID_MONTH)
    again = predict_crossings(as_of=MID_MONTH + timedelta(hours=6))

    assert again == ()
    alert = ThresholdAlert.objects.get()
    # 15 days of 100 and half of the 16th are used: the 24th day is the 24th.
    assert (alert.kind, alert.crosses_on, alert.crosses_on_min, alert.crosses_on_max) == (
        "forecast",
        date(2026, 3, 24),
        date(2026, 3, 24),
        date(2026, 3, 24),
    )
    assert (alert.limit, alert.quantity, alert.expected) == (2400, 1550, 3100)
    mail = OutboundMail.objects.get()
    assert mail.subject == "Acme: tokens will reach 100 % of the quota on 24 March"
    assert "1,550 of 2,400 tokens are used now. At the usual pace about 3,100 are used by 31 March 2026." in mail.text
    assert "From then on requests beyond the quota are refused until 1 April 2026 (UTC)." in mail.text
    assert Notice.objects.get().title == mail.subject
    event = OutboxEvent.objects.get()
    assert event.type == "usage.crossing_predicted"
    assert event.payload["crosses_on"] == {"date": "2026-03-24", "earliest": "2026-03-24", "latest": "2026-03-24"}
    assert (event.payload["kind"], event.payload["threshold"], event.payload["expected"]) == ("forecast", None, "3100")
    assert raised.facts.crossing is not None


@pytest.mark.parametrize(
    ("limit", "days", "why"),
    [
        (3200, 56, "the limit is not reached"),
        (2400, 20, "too little is known for an interval"),
        (1500, 56, "it is used up already"),
        (1580, 56, "it is reached today"),
    ],
)
def test_nothing_is_told_if(limit: int, days: int, why: str) -> None:
    acme = customer("acme", quota(limit))
    steady_days(acme, 100, days=days)
    assert predict_crossings(as_of=MID_MONTH) == (), why


def test_quotas_of_weeks_are_predicted_and_those_of_days_are_not() -> None:
    acme = customer("acme", quota(550, period=Period.WEEK, is_hard=False), quota(60, period=Period.DAY))
    tuesday = MID_MONTH + DAY
    steady_days(acme, 100, until=tuesday)
    assert [one.facts.limit for one in predict_crossings(as_of=tuesday)] == [Decimal(550)]
    assert told(acme) == [("week", date(2026, 3, 21))]
    assert "No requests are refused." in OutboundMail.objects.get().text


def test_a_new_period_is_told_again_and_a_new_limit_in_the_same_is_not() -> None:
    acme = customer("acme", quota(2400))
    april = datetime(2026, 4, 10, 12, tzinfo=UTC)
    steady_days(acme, 100, days=100, until=april)
    predict_crossings(as_of=MID_MONTH)
    change_plan(acme, quota(2500))
    assert predict_crossings(as_of=MID_MONTH) == ()
    predict_crossings(as_of=april)
    assert [day for _, day in told(acme)] == [date(2026, 3, 24), date(2026, 4, 25)]


def test_another_tenant_and_one_that_is_suspended_are_not_told() -> None:
    acme, rival = customer("acme", quota(2400)), customer("rival", quota(2400))
    for tenant in (acme, rival):
        steady_days(tenant, 100)
    Tenant.objects.filter(pk=rival.pk).update(status="suspended")
    predict_crossings(as_of=MID_MONTH)
    assert (len(told(acme)), told(rival)) == (1, [])
    assert predict_crossings(as_of=MID_MONTH, tenant_ids=[rival.pk]) == ()


def test_a_run_is_recorded() -> None:
    steady_days(customer("acme", quota(2400)), 100)
    assert len(run_crossings(started_by="test", as_of=MID_MONTH)) == 1
    run = JobRun.objects.get(name="crossings")
    assert run.summary == {"alerts": 1}
