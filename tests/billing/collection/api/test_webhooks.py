"""The guard in front of dj-stripe's endpoint: only what Stripe signed within five minutes is stored."""

import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import stripe
from django.db import connection
from django.test import Client
from django_q.models import OrmQ
from djstripe.models import Event, WebhookEndpoint, WebhookEventTrigger
from pytest_django.live_server_helper import LiveServer

from billing.collection.models import InboxEvent
from tests.billing.collection.stripe_world import ENDPOINT, PATH, make_endpoint
from tests.fakestripe.fixture import WEBHOOK_SECRET

SECRET = WEBHOOK_SECRET
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "invoice.paid",
    "created": 1_790_000_000,
    "livemode": False,
    "data": {"object": {"id": "in_1", "object": "invoice", "customer": "cus_1"}},
}
STRIPE = Client(raise_request_exception=False)


def signature(body: str, *, secret: str = SECRET, at: float | None = None) -> str:
    """Return a signature as Stripe's own library computes it."""
    timestamp = int(time.time() if at is None else at)
    made: str = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp)
    return made


def post(body: str | bytes, header: str | None, path: str = PATH) -> Any:
    headers = {} if header is None else {"Stripe-Signature": header}
    return STRIPE.post(path, body, content_type="application/json", headers=headers)


def stored() -> int:
    return (
        InboxEvent.objects.count() + WebhookEventTrigger.objects.count() + Event.objects.count() + OrmQ.objects.count()
    )


@pytest.fixture
def endpoint(db: None) -> None:
    make_endpoint()


BODY = json.dumps(EVENT)
DIGEST = "a" * 64
REFUSED: dict[str, Callable[[], str | None]] = {
    "missing": lambda: None,
    "empty": lambda: "",
    "no pairs": lambda: "nonsense",
    "no time": lambda: f"v1={DIGEST}",
    "no signature": lambda: f"t={int(time.time())}",
    "two times": lambda: f"t=1,{signature(BODY)}",
    "a time that is none": lambda: f"t=now,v1={DIGEST}",
    "a time with other digits": lambda: f"t=١٧٩٠٠٠٠٠٠٠,v1={DIGEST}",
    "an absurd time": lambda: f"t={'9' * 400},v1={DIGEST}",
    "an absurdly long header": lambda: signature(BODY) + ",v1=" * 2000,
    "another's secret": lambda: signature(BODY, secret="whsec_another"),
    "another body's": lambda: signature(BODY + " "),
    "another scheme": lambda: signature(BODY).replace("v1=", "v0="),
    "stale": lambda: signature(BODY, at=time.time() - 302),
    "ahead of its time": lambda: signature(BODY, at=time.time() + 302),
    "ten days ahead": lambda: signature(BODY, at=time.time() + 864_000),
    "upper case": lambda: signature(BODY).upper(),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_signature_is_a_400_and_stores_nothing(endpoint: None, case: str) -> None:
    response = post(BODY, REFUSED[case]())

    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "invalid_signature"
    assert stored() == 0


@pytest.mark.parametrize("late", [-295, 0, 295])
def test_a_signature_within_five_minutes_either_way_is_taken(endpoint: None, late: int) -> None:
    assert post(BODY, signature(BODY, at=time.time() + late)).status_code == 200

    event = InboxEvent.objects.get()
    assert (event.event_id, event.type, event.payload, event.status) == ("evt_1", "invoice.paid", EVENT, "pending")
    assert OrmQ.objects.count() == 1


def test_one_of_two_signatures_is_enough_while_a_secret_is_rolled(endpoint: None) -> None:
    assert post(BODY, f"{signature(BODY)},v1={DIGEST}").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_bytes_beyond_ascii_in_the_header_are_a_400_over_the_wire(live_server: LiveServer) -> None:
    make_endpoint()
    address = urlsplit(live_server.url)
    said = []
    for header in (b"t=1,v1=\xff\xfe", "t=1,v1=ü".encode(), b"\x80" * 100):
        with socket.create_connection((address.hostname, address.port), timeout=10) as line:
            line.sendall(
                b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Stripe-Signature: " + header + b"\r\nContent-Length: " + str(len(BODY)).encode()
                + b"\r\nConnection: close\r\n\r\n" + BODY.encode()
            )  # fmt: skip
            said.append(line.makefile("rb").readline().split()[1])

    assert said == [b"400"] * 3
    assert stored() == 0


def test_an_unknown_or_disabled_endpoint_is_a_404(endpoint: None) -> None:
    assert post(BODY, signature(BODY), f"/webhooks/stripe/{uuid4()}").status_code == 404
    WebhookEndpoint.objects.update(status="disabled")
    assert post(BODY, signature(BODY), PATH).status_code == 404
    assert stored() == 0


def test_only_post_is_allowed(endpoint: None) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD"):
        response = STRIPE.generic(method, PATH)
        assert (response.status_code, response["Allow"]) == (405, "POST"), method


NO_EVENTS = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"id": "\xff"}',
    "a list": b"[]",
    "a number": b"1",
    "no id": b'{"type": "invoice.paid"}',
    "an id of another type": b'{"id": 1, "type": "invoice.paid"}',
    "an absurd id": b'{"id": "' + b"x" * 300 + b'", "type": "invoice.paid"}',
    "an absurd type": b'{"id": "evt_1", "type": "' + b"x" * 300 + b'"}',
    "no JSON number": b'{"id": "evt_1", "type": "a", "n": NaN}',
    "a number beyond all": b'{"id": "evt_1", "type": "a", "n": 1e400}',
    "deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
}


@pytest.mark.parametrize("case", NO_EVENTS)
def test_a_signed_body_that_is_no_event_is_a_400_and_stores_nothing(endpoint: None, case: str) -> None:
    body = NO_EVENTS[case]
    timestamp = int(time.time())
    header = f"t={timestamp},v1={hmac_of(body, timestamp)}"

    response = post(body, header)

    assert (response.status_code, response.json()["code"]) == (400, "malformed_body"), response.content
    assert stored() == 0


def hmac_of(body: bytes, timestamp: int) -> str:
    return hmac.new(SECRET.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def test_a_body_of_more_than_a_mebibyte_is_a_413(endpoint: None) -> None:
    body = json.dumps(EVENT | {"padding": "x" * 1024 * 1024})

    assert post(body, signature(body)).status_code == 413
    assert stored() == 0


def test_a_webhook_body_larger_than_any_form_is_taken(endpoint: None) -> None:
    body = json.dumps(EVENT | {"padding": "x" * 600_000})

    assert post(body, signature(body)).status_code == 200
    assert stored() > 0


def test_characters_that_postgresql_cannot_store_are_replaced_and_the_event_is_taken(endpoint: None) -> None:
    body = json.dumps(EVENT | {"odd": ["a\0b", "\ud800", {"\udc00": 1}], "big": 10**30, "small": 1e-300})

    assert post(body, signature(body)).status_code == 200
    assert InboxEvent.objects.get().payload["odd"] == ["a\ufffdb", "\ufffd", {"\ufffd": 1}]


def test_a_second_delivery_is_counted_and_the_first_payload_kept(endpoint: None) -> None:
    post(BODY, signature(BODY))
    other = json.dumps(EVENT | {"livemode": True})

    assert [post(other, signature(other)).status_code for _ in range(2)] == [200, 200]

    event = InboxEvent.objects.get()
    assert (event.deliveries, event.payload) == (3, EVENT)
    assert OrmQ.objects.count() == 1


def test_a_thin_event_is_kept_and_ignored_with_a_reason(endpoint: None) -> None:
    thin = json.dumps(
        {
            "id": "evt_thin",
            "object": "v2.core.event",
            "type": "v1.billing.meter.error_report_triggered",
            "created": "2026-11-21T09:00:00.000Z",
            "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
        }
    )

    assert post(thin, signature(thin)).status_code == 200

    event = InboxEvent.objects.get()
    assert event.status == "ignored"
    assert "thin" in event.outcome
    assert event.processed_at is not None


@pytest.mark.django_db(transaction=True)
def test_the_event_is_committed_before_the_response(live_server: LiveServer) -> None:
    make_endpoint()
    address = urlsplit(live_server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nStripe-Signature: "
            f"{signature(BODY)}\r\nContent-Length: {len(BODY)}\r\nConnection: close\r\n\r\n{BODY}".encode()
        )
        assert line.makefile("rb").readline().split()[1] == b"200"
    # Another connection than the server's sees it.
    with connection.cursor() as cursor:
        cursor.execute("SELECT event_id FROM collection_inboxevent")
        assert cursor.fetchall() == [("evt_1",)]


def test_the_webhook_needs_no_csrf_token_and_no_key(endpoint: None) -> None:
    strict = Client(enforce_csrf_checks=True)
    header = {"Stripe-Signature": signature(BODY)}
    assert strict.post(PATH, BODY, content_type="application/json", headers=header).status_code == 200


def test_dj_stripes_endpoint_is_the_one_that_is_called(endpoint: None) -> None:
    row = WebhookEndpoint.objects.get()
    assert row.djstripe_uuid == ENDPOINT
    assert SECRET not in row.secret, "it is sealed"
    make_endpoint(secret="whsec_rolled")
    assert post(BODY, signature(BODY)).status_code == 400
    assert post(BODY, signature(BODY, secret="whsec_rolled")).status_code == 200
