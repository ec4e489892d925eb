"""The pages of webhooks, as a developer uses them."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import AuditEntry
from accounts.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.accounts.webhooks.world import DOWN, make_endpoint, send, tell
from tests.portal.conftest import NOW, Cast, signed_in

HOME = "/t/acme/webhooks/"
URL = "https://hooks.example.com/in"


@pytest.fixture
def dora(cast: Cast) -> Client:
    return signed_in(cast.dora)


def test_a_developer_creates_an_endpoint_and_sees_its_secret_once(dora: Client) -> None:
    assert "No endpoints yet" in dora.get(HOME).content.decode()
    created = dora.post(f"{HOME}new/", {"url": URL, "event_types": ["invoice.paid"], "description": "Books"})
    assert created.status_code == 201
    assert "whsec_" in created.content.decode()
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.url, endpoint.event_types) == (URL, ["invoice.paid"])
    for address in (HOME, f"{HOME}{endpoint.pk}/", f"{HOME}{endpoint.pk}/edit/"):
        page = dora.get(address).content.decode()
        assert "hooks.example.com" in page
        assert "whsec_" not in page


def test_a_url_that_is_not_public_is_an_error_at_its_field(dora: Client) -> None:
    page = dora.post(f"{HOME}new/", {"url": "http://10.0.0.1/"})
    assert page.status_code == 422
    assert "The host is not a public address." in page.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_a_delivery_shows_each_attempt_and_is_sent_again(cast: Cast, dora: Client) -> None:
    endpoint = make_endpoint(cast.acme, NOW).endpoint
    tell(cast.acme, NOW)
    send(NOW, DOWN)
    delivery = WebhookDelivery.objects.get()
    page = dora.get(f"{HOME}{endpoint.pk}/").content.decode()
    assert "HTTP 500" in page
    assert "Every attempt has failed since" in page
    detail = dora.get(f"{HOME}deliveries/{delivery.pk}/").content.decode()
    for text in ("HTTP 500", str(delivery.event_id), "9 attempts left", "Größe"):
        assert text in detail
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None, ended_at=NOW)
    again = dora.post(f"{HOME}deliveries/{delivery.pk}/replay/", follow=True)
    assert "The event is sent again" in again.content.decode()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.replays) == ("pending", 1)


def test_deliveries_are_filtered(cast: Cast, dora: Client) -> None:
    endpoint = make_endpoint(cast.acme, NOW).endpoint
    tell(cast.acme, NOW, "invoice.paid", "invoice.voided")
    send(NOW)
    one = dora.get(f"{HOME}{endpoint.pk}/?event_type=invoice.voided&status=succeeded")
    assert [row.delivery.event_type for row in one.context["rows"]] == ["invoice.voided"]
    assert "No matching deliveries" in dora.get(f"{HOME}{endpoint.pk}/?status=failed").content.decode()


def test_an_endpoint_is_tested_paused_resumed_edited_rotated_and_deleted(cast: Cast, dora: Client) -> None:
    endpoint = make_endpoint(cast.acme, NOW).endpoint
    address = f"{HOME}{endpoint.pk}/"
    tested = dora.post(f"{address}test/", follow=True)
    assert "A test event is on its way" in tested.content.decode()
    assert AuditEntry.objects.get(action="webhook_endpoint.tested").actor_label == "dora@example.com"
    dora.post(f"{address}status/")
    assert "Events wait here until you resume it" in dora.get(address).content.decode()
    assert "make it active first" in dora.post(f"{address}test/", follow=True).content.decode()
    dora.post(f"{address}status/")
    dora.post(f"{address}edit/", {"url": f"{URL}/2", "description": ""})
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.url) == ("active", f"{URL}/2")
    rotated = dora.post(f"{address}rotate/", {"grace_seconds": "3600"})
    assert "signs too until" in rotated.content.decode()
    assert "Delete this endpoint?" in dora.get(f"{address}delete/").content.decode()
    assert dora.post(f"{address}delete/", follow=True).status_code == 200
    assert not WebhookEndpoint.objects.exists()


def test_all_that_failed_is_sent_again(cast: Cast, dora: Client) -> None:
    endpoint = make_endpoint(cast.acme, NOW).endpoint
    tell(cast.acme, NOW, "invoice.paid", "invoice.paid")
    send(NOW)
    WebhookDelivery.objects.update(status="failed")
    page = dora.post(f"{HOME}{endpoint.pk}/replay/", {"only": "failed"}, follow=True)
    assert "2 deliveries are sent again." in page.content.decode()
    refused = dora.post(
        f"{HOME}{endpoint.pk}/replay/", {"only": "all", "start": "2026-03-10T13:00", "end": "2026-03-10T12:00"}
    )
    assert (refused.status_code, "The end must be after the start." in refused.content.decode()) == (422, True)


def test_a_disabled_endpoint_says_why_and_is_enabled(cast: Cast, dora: Client) -> None:
    endpoint = make_endpoint(cast.acme, NOW).endpoint
    WebhookEndpoint.objects.update(status="disabled", disabled_because="gone", disabled_at=NOW)
    page = dora.get(f"{HOME}{endpoint.pk}/").content.decode()
    assert "It returned 410 Gone" in page
    assert "Enable" in page
    dora.post(f"{HOME}{endpoint.pk}/status/")
    endpoint.refresh_from_db()
    assert endpoint.status == "active"


def test_a_page_of_deliveries_takes_a_fixed_number_of_queries(
    cast: Cast, dora: Client, query_count: Callable[[Client, str], int]
) -> None:
    endpoint = make_endpoint(cast.acme, NOW).endpoint
    tell(cast.acme, NOW)
    send(NOW)
    address = f"{HOME}{endpoint.pk}/"
    few = query_count(dora, address)
    tell(cast.acme, NOW, *["invoice.paid"] * 9)
    send(NOW)
    assert query_count(dora, address) == few
    several = query_count(dora, HOME)
    make_endpoint(cast.acme, NOW)
    assert query_count(dora, HOME) == several
