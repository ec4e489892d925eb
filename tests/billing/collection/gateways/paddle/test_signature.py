"""Paddle's signature, compared with Paddle's own library, and what the webhook refuses without storing anything."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paddle_billing.Notifications import Secret
from paddle_billing.Notifications.PaddleSignature import PaddleSignature
from pytest_django import Settings

from billing.collection.errors import DeliverySignatureError
from billing.collection.gateways.paddle.signature import signature_of, verify_signature
from billing.collection.models import InboxEvent
from config.workbench.fakepaddle.server import signature
from tests.billing.collection.paddle_world import post
from tests.billing.collection.stripe_world import now

SECRET = "pdl_ntfset_test"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
EVENT = {
    "event_id": "evt_1",
    "event_type": "discount.created",
    "occurred_at": "2026-11-21T12:00:00.000000Z",
    "notification_id": "ntf_1",
    "data": {"id": "dsc_1"},
}


def header(body: bytes, *, seconds: int = SECONDS, secret: str = SECRET) -> str:
    return signature(body, secret, timestamp=seconds)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_we_verify_is_what_paddles_library_verifies(text: str) -> None:
    made = header(text.encode())
    verify_signature(header=made, body=text.encode(), secrets=[SECRET], as_of=NOW)
    assert PaddleSignature().verify(made, text, Secret(SECRET))


@given(st.text(max_size=200))
def test_any_signature_header_is_verified_or_refused(text: str) -> None:
    with pytest.raises(DeliverySignatureError):
        verify_signature(header=text, body=b"{}", secrets=[SECRET], as_of=NOW)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_either_way_are_taken_and_a_second_more_is_not(seconds: int) -> None:
    moment = NOW + timedelta(seconds=seconds)
    verify_signature(header=header(b"{}"), body=b"{}", secrets=[SECRET], as_of=moment)
    beyond = moment + timedelta(seconds=1 if seconds > 0 else -1)
    with pytest.raises(DeliverySignatureError, match="five minutes"):
        verify_signature(header=header(b"{}"), body=b"{}", secrets=[SECRET], as_of=beyond)


def test_any_of_several_signatures_by_any_of_several_secrets_is_enough() -> None:
    good = signature_of(b"{}", SECRET, seconds=SECONDS)
    made = f"ts={SECONDS};h2={'b' * 64};h1={'c' * 64};h1={good}"
    verify_signature(header=made, body=b"{}", secrets=["pdl_ntfset_old", SECRET], as_of=NOW)
    with pytest.raises(DeliverySignatureError):
        verify_signature(header=made, body=b"{}", secrets=["pdl_ntfset_old"], as_of=NOW)


def test_the_environment_does_not_turn_the_check_of_the_time_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MODE", "1")  # Paddle's library accepts any time then
    with pytest.raises(DeliverySignatureError, match="five minutes"):
        verify_signature(header=header(b"{}"), body=b"{}", secrets=[SECRET], as_of=NOW + timedelta(days=1))


# Over HTTP


@pytest.fixture
def secret(settings: Settings, db: None) -> str:
    settings.PADDLE_WEBHOOK_SECRET = f"{SECRET}, pdl_ntfset_next"
    return SECRET


def sent(event: dict[str, Any] | bytes, **given_: Any) -> int:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return int(post(body, **{"secret": SECRET, **given_}).status_code)


def test_without_a_secret_there_is_no_webhook(db: None, settings: Settings) -> None:
    settings.PADDLE_WEBHOOK_SECRET = " , "
    assert sent(EVENT) == 404
    settings.PADDLE_WEBHOOK_SECRET = SECRET
    assert sent(EVENT, path="/webhooks/paddle/else") == 404
    assert not InboxEvent.objects.exists()


def test_a_forged_stale_future_truncated_or_unreadable_delivery_is_refused_and_not_stored(secret: str) -> None:
    body, seconds = json.dumps(EVENT).encode(), int(now().timestamp())
    good = header(body, seconds=seconds)
    refused = {
        "none": "",
        "another secret": header(body, seconds=seconds, secret="pdl_ntfset_forged"),
        "stale": header(body, seconds=seconds - 301),
        "future": header(body, seconds=seconds + 302),
        "another time": good.replace(f"ts={seconds}", f"ts={seconds - 1}"),
        "no signature": f"ts={seconds}",
        "two times": f"ts={seconds};{good}",
        "beyond ASCII": f"{good};h1=é",
        "half of it": good[: len(good) // 2],
        "a Stripe header": good.replace(";", ","),
    }
    assert {name: sent(body, header=made) for name, made in refused.items()} == dict.fromkeys(refused, 400)
    assert sent(body[:-10], header=good) == 400, "a truncated body"
    malformed = (b"", b"[]", b"{", b'{"event_id": "evt_1"}', "é".encode("latin-1"), b"[" * 5000, b'{"a": NaN}')
    assert [sent(one) for one in malformed] == [400] * len(malformed)
    assert not InboxEvent.objects.exists()


def test_an_unknown_type_is_stored_and_both_secrets_are_taken(secret: str) -> None:
    assert sent(EVENT) == sent({**EVENT, "event_id": "evt_2"}, secret="pdl_ntfset_next") == 200
    assert list(InboxEvent.objects.order_by("pk").values_list("event_id", "status")) == [
        ("evt_1", "ignored"),
        ("evt_2", "ignored"),
    ]


def test_the_same_event_with_other_content_is_kept_aside_once(secret: str) -> None:
    assert sent(EVENT) == sent({**EVENT, "notification_id": "ntf_of_a_replay"}) == 200
    assert InboxEvent.objects.get().deliveries == 2, "a replay is the same event"
    other = {**EVENT, "data": {"id": "dsc_of_another"}}
    assert [sent(other), sent(other), sent(EVENT)] == [200, 200, 200]
    first, aside = InboxEvent.objects.order_by("pk")
    assert (first.status, first.payload["data"]) == ("ignored", {"id": "dsc_1"})
    assert (aside.status, aside.deliveries, aside.payload["data"]) == ("failed", 2, {"id": "dsc_of_another"})
    assert aside.event_id.startswith("evt_1#")
    assert "with other content" in aside.error
    assert aside.next_attempt_at is None, "no worker takes it"
