"""Anomalies are told once for each meter, key and day, with outbox and mail in the same transaction."""

from datetime import timedelta

import pytest

from accounts.domain.roles import Role
from accounts.models import JobRun
from accounts.notices.models import OutboundMail, OutboxEvent
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.anomalies import find_anomalies, run_anomalies
from metering.models import Meter
from tests.metering.alerts.alert_world import TOKENS, customer, join, quota
from tests.metering.alerts.anomaly_world import DAY, HOUR, MONDAY, steady_hours, store_hours
from tests.metering.ledger_world import make_key

pytestmark = pytest.mark.django_db
NOON = MONDAY + 12 * HOUR


def told() -> list[tuple[str, str, int]]:
    rows = ThresholdAlert.objects.filter(kind="anomaly").order_by("pk")
    return [(row.tenant.slug, row.pattern, int(row.quantity)) for row in rows.select_related("tenant")]


def test_a_spike_of_the_running_hour_is_told_once_with_mail_and_event() -> None:
    acme = customer("acme", quota(10**9))
    join(acme, "viewer@acme.example", Role.VIEWER)
    store_hours(
        acme,
        Meter.objects.get(code=TOKENS),
        steady_hours(36, until=NOON) | steady_hours(0, until=NOON, changed={NOON: 700}),
    )

    result = find_anomalies(as_of=NOON + 40 * timedelta(minutes=1))
    again = find_anomalies(as_of=NOON + 50 * timedelta(minutes=1))

    assert (told(), len(result.alerts), again.alerts) == ([("acme", "spike", 700)], 1, ())
    [alert] = ThresholdAlert.objects.all()
    assert (alert.window_start_at, alert.window_end_at, alert.expected) == (NOON, NOON + HOUR, 100)
    [event] = OutboxEvent.objects.filter(type="usage.anomaly_detected")
    assert event.payload["kind"] == "anomaly"
    assert (event.payload["quantity"], event.payload["expected"]) == ("700", "100")
    [mail] = OutboundMail.objects.all()
    assert (mail.recipients, mail.subject) == (["owner@acme.example"], "Acme: much more usage than usual")
    assert "tokens: 700 tokens in the hour from 12:00 on 2 March, 100 expected." in mail.text
    assert f"/t/acme/alerts/{alert.pk}/" in mail.text


def test_silence_is_told_after_some_hours_and_once_while_it_lasts() -> None:
    acme = customer("acme", quota(10**9))
    store_hours(acme, Meter.objects.get(code=TOKENS), steady_hours(36, until=NOON))

    for hours in (1, 2, 3, 4, 30):
        find_anomalies(as_of=NOON + hours * HOUR + HOUR / 6)

    assert told() == [("acme", "silence", 0)]
    assert ThresholdAlert.objects.get().window_start_at == NOON


def test_a_drop_that_goes_on_is_told_when_its_first_day_has_ended_and_again_after_a_week() -> None:
    acme = customer("acme", quota(10**9))
    fifth = {MONDAY - n * HOUR: 5 for n in range(1, 24 * 9 + 1)}
    store_hours(acme, Meter.objects.get(code=TOKENS), steady_hours(50, until=MONDAY + HOUR, changed=fifth))

    for day in range(9):
        find_anomalies(as_of=MONDAY - 8 * DAY + day * DAY + HOUR / 6)

    days = ThresholdAlert.objects.order_by("pk").values_list("pattern", "period_start_on")
    assert list(days) == [("drop", (MONDAY - 9 * DAY).date()), ("drop", (MONDAY - 2 * DAY).date())]


def test_a_key_that_works_ten_times_as_much_is_told_by_its_name() -> None:
    acme = customer("acme", quota(10**9))
    meter = Meter.objects.get(code=TOKENS)
    key, _ = make_key(acme, name="Mobile")
    hours = steady_hours(36, until=MONDAY + 9 * HOUR)
    today = {MONDAY + 8 * HOUR: 8000}
    store_hours(acme, meter, hours | steady_hours(0, until=MONDAY, changed=today), key)

    find_anomalies(as_of=MONDAY + 8 * HOUR + HOUR / 2)

    of_key, of_meter = ThresholdAlert.objects.order_by("-api_key_id")[::-1]
    assert (of_key.api_key_id, of_meter.api_key_id) == (key.pk, None)
    assert "tokens by the key Mobile: 8,032 tokens on 2 March, 1,056 expected." in OutboundMail.objects.get().text


@pytest.mark.parametrize("days", [13, 35])
def test_a_meter_of_less_than_two_weeks_is_not_judged(days: int) -> None:
    acme = customer("acme", quota(10**9))
    changed = {NOON: 900}
    store_hours(acme, Meter.objects.get(code=TOKENS), steady_hours(days, until=NOON + HOUR, changed=changed))
    find_anomalies(as_of=NOON + HOUR / 2)
    assert told() == ([] if days == 13 else [("acme", "spike", 900)])


def test_a_pass_that_was_missed_is_made_up_for_and_each_is_recorded() -> None:
    acme = customer("acme", quota(10**9))
    hours = steady_hours(40, until=NOON + 5 * HOUR, changed={NOON: 700})
    store_hours(acme, Meter.objects.get(code=TOKENS), hours)
    run_anomalies(started_by="schedule", as_of=NOON - HOUR)
    assert told() == []
    result = run_anomalies(started_by="schedule", as_of=NOON + 4 * HOUR + HOUR / 6)
    assert told() == [("acme", "spike", 700)]
    latest = JobRun.objects.filter(name="anomalies").order_by("-pk")[0]
    assert latest.summary == {"judged": result.judged, "anomalies": 1}


def test_only_these_tenants_are_judged_and_suspended_ones_are_not() -> None:
    tenants = [customer(slug, quota(10**9)) for slug in ("acme", "beta", "coda")]
    for tenant in tenants:
        hours = steady_hours(36, until=NOON + HOUR, changed={NOON: 700})
        store_hours(tenant, Meter.objects.get(code=TOKENS), hours)
    tenants[2].status = "suspended"
    tenants[2].save(update_fields=["status"])
    find_anomalies(as_of=NOON + HOUR / 2, tenant_ids=[tenants[1].pk])
    assert told() == [("beta", "spike", 700)]
    find_anomalies(as_of=NOON + HOUR / 2)
    assert told() == [("beta", "spike", 700), ("acme", "spike", 700)]
