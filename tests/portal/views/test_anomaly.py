"""The page of an anomaly: expected and seen, in a chart and in a table, and whether it is fine."""

from django.test import Client

from metering.alerts.models import AcceptedAnomaly
from metering.models import Meter
from tests.metering.alerts.anomaly_world import DAY, HOUR, MONDAY, make_anomaly, steady_hours, store_hours
from tests.metering.ledger_world import make_key
from tests.portal.conftest import Cast

NOON = MONDAY + 12 * HOUR


def test_an_hour_is_shown_with_those_around_it_and_called_fine(cast: Cast, alice: Client) -> None:
    hours = steady_hours(40, until=NOON + HOUR, changed={NOON: 700})
    store_hours(cast.acme, Meter.objects.get(code="api_requests"), hours)
    page = f"/t/acme/alerts/{make_anomaly(cast.acme, NOON).pk}/"

    answer = alice.get(page)
    found = [point for point in answer.context["series"].points if point.is_unusual]
    assert [(point.seen, point.expected) for point in found] == [(700, 100)]
    assert answer.context["chart"]["series"][0]["values"].count("700") == 1
    assert "in the hour from 13:00 on 2 March, 100 expected" in answer.content.decode()

    assert alice.post(page, {"is": "fine"}).status_code == 302
    assert AcceptedAnomaly.objects.count() == 1
    assert "Not fine any more" in alice.get(page).content.decode()
    alice.post(page, {"is": "not_fine"})
    assert not AcceptedAnomaly.objects.exists()


def test_a_keys_days_are_shown_with_a_link_that_rotates_it(cast: Cast, alice: Client) -> None:
    key, _ = make_key(cast.acme, name="Mobile")
    store_hours(cast.acme, Meter.objects.get(code="api_requests"), steady_hours(40, until=MONDAY + DAY), key)
    answer = alice.get(f"/t/acme/alerts/{make_anomaly(cast.acme, NOON, key_id=key.pk).pk}/")
    assert [(point.seen, point.expected) for point in answer.context["series"].points if point.is_unusual] == [
        (1056, 1056)
    ]
    assert f"/t/acme/keys/{key.pk}/rotate/" in answer.content.decode()
    store = alice.get(f"/t/acme/alerts/{make_anomaly(cast.acme, NOON - DAY, pattern='drop').pk}/")
    assert store.context["series"].is_by_day


def test_an_anomaly_of_another_tenant_is_not_found(cast: Cast, alice: Client) -> None:
    assert alice.get(f"/t/acme/alerts/{make_anomaly(cast.rival, NOON).pk}/").status_code == 404
