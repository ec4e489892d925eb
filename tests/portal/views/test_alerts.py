"""The page of alerts: quotas as bars with marks, the alerts, and who gets mails."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from accounts.notices.selectors.preferences import tenant_wants
from metering.alerts.domain.alerts import USAGE_ALERT
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import monitor_thresholds
from metering.domain.periods import Period
from metering.services.usage_plans import assign_usage_plan
from tests.metering.alerts.alert_world import OPERATOR, plan_of, quota, use
from tests.metering.ledger_world import LONG_AGO
from tests.portal.conftest import NOW, Cast, signed_in

PAGE = "/t/acme/alerts/"


@pytest.fixture
def limited(cast: Cast) -> Cast:
    """Assign Acme and Rival a plan with a month's and a day's quota."""
    plan = plan_of(quota(1000), quota(100, period=Period.DAY, is_hard=False))
    for tenant in (cast.acme, cast.rival):
        assign_usage_plan(tenant=tenant, usage_plan=plan, actor=OPERATOR, as_of=LONG_AGO)
    return cast


def test_quotas_are_bars_with_marks_and_alerts_are_listed_newest_first(limited: Cast, alice: Client) -> None:
    use(limited.acme, 830, at=NOW - timedelta(days=2))
    use(limited.acme, 130, at=NOW)
    use(limited.rival, 5000, at=NOW)
    monitor_thresholds(as_of=NOW)

    answer = alice.get(PAGE)
    page = answer.content.decode()

    day, month = answer.context["bars"]
    assert (str(day.filled), [str(mark) for mark in day.marks], day.level) == (
        "100.0",
        ["61.5", "73.0", "76.9"],
        "danger",
    )
    assert (str(month.filled), [str(mark) for mark in month.marks], month.level) == (
        "96.0",
        ["80.0", "95.0", "100.0"],
        "warn",
    )
    assert 'aria-label="tokens today: 130.0 percent of the quota"' in page
    shown = [(row.alert.quota_period, row.alert.threshold) for row in answer.context["rows"]]
    assert shown == [("month", 95), ("month", 80), ("day", 100), ("day", 95), ("day", 80)]
    assert "10 March 2026" in page
    assert "13:30" in page  # half past twelve is half past one in Paris
    assert "5,000" not in page


def test_without_quota_or_alert_the_page_of_alerts_says_so(alice: Client) -> None:
    page = alice.get(PAGE).content.decode()
    assert "No quota" in page
    assert "No alerts yet" in page


def test_a_quota_of_zero_is_shown_without_marks(cast: Cast, alice: Client) -> None:
    assign_usage_plan(tenant=cast.acme, usage_plan=plan_of(quota(0)), actor=OPERATOR, as_of=LONG_AGO)
    answer = alice.get(PAGE)
    [bar] = answer.context["bars"]
    assert bar.marks == ()
    assert b"A quota of 0 raises no alerts." in answer.content


def test_a_member_chooses_their_mails(cast: Cast) -> None:
    dora = signed_in(cast.dora)
    assert b"wants_invoices" not in dora.get(PAGE).content  # a developer sees no invoices
    for ticked in ({}, {"wants_usage_alerts": "on"}):
        answer = dora.post(PAGE, {"form": "mine", **ticked}, follow=True)
        assert b"Your choice of e-mails is saved." in answer.content
        assert answer.context["member_form"].initial["wants_usage_alerts"] is bool(ticked)


def test_an_owner_chooses_mails_about_money_too(alice: Client) -> None:
    wishes = {"wants_invoices": "on", "wants_trial_ends": "on"}
    for ticked in ({}, wishes, {"wants_trial_ends": "on"}):
        answer = alice.post(PAGE, {"form": "mine", **ticked}, follow=True)
        chosen = answer.context["member_form"].initial
        assert {name: chosen[name] for name in wishes} == {name: name in ticked for name in wishes}


def test_an_owner_turns_alert_mails_off_for_all_members(cast: Cast, alice: Client) -> None:
    answer = alice.post(PAGE, {"form": "organisation"}, follow=True)
    assert b"No usage alerts by e-mail." in answer.content
    assert b"has turned off usage alerts by e-mail" in answer.content
    assert not tenant_wants(tenant_id=cast.acme.pk, kind=USAGE_ALERT)
    assert tenant_wants(tenant_id=cast.rival.pk, kind=USAGE_ALERT)
    alice.post(PAGE, {"form": "organisation", "wants_usage_alerts": "on"})
    assert tenant_wants(tenant_id=cast.acme.pk, kind=USAGE_ALERT)


def test_a_developer_does_not_choose_mails_for_all_members(cast: Cast) -> None:
    dora = signed_in(cast.dora)
    assert b'value="organisation"' not in dora.get(PAGE).content
    assert dora.post(PAGE, {"form": "organisation"}).status_code == 403
    assert tenant_wants(tenant_id=cast.acme.pk, kind=USAGE_ALERT)


def test_an_unknown_form_on_the_page_of_alerts_changes_nothing(cast: Cast, alice: Client) -> None:
    assert alice.post(PAGE, {"form": "other"}).status_code == 302
    assert tenant_wants(tenant_id=cast.acme.pk, kind=USAGE_ALERT)


def test_alerts_are_paged_in_a_fixed_number_of_queries(
    limited: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    use(limited.acme, 80, at=NOW)
    monitor_thresholds(as_of=NOW)
    for_one = query_count(alice, PAGE)
    for day in range(1, 20):
        use(limited.acme, 100, at=NOW + timedelta(days=day))
        monitor_thresholds(as_of=NOW + timedelta(days=day))

    assert query_count(alice, PAGE) == for_one
    assert len(alice.get(PAGE).context["rows"]) == 20
    assert len(alice.get(f"{PAGE}?page=4").context["rows"]) == 1


def test_a_budget_in_money_is_listed_as_money(cast: Cast, alice: Client) -> None:
    ThresholdAlert.objects.create(
        tenant=cast.acme,
        kind="budget",
        currency="EUR",
        budget_id=uuid4(),
        quota_period="month",
        period_start_on=NOW.date().replace(day=1),
        threshold=75,
        limit=50_000,
        quantity=42_050,
        expected=60_000,
        occurred_at=NOW,
    )
    page = alice.get(PAGE).content.decode().replace("\N{NO-BREAK SPACE}", " ")
    assert "420.50 EUR of 500.00 EUR" in page
    assert "Spend" in page
    assert "42,050" not in page
