"""Signatures of Standard Webhooks: its published vector, a second implementation, and the library's traps."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone

import time_machine
from standardwebhooks import Webhook

from accounts.webhooks.domain.signing import generate_secret, message_body, signed_headers

# The example of the specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_vector_of_the_specification() -> None:
    headers = signed_headers(message_id=MESSAGE, body=BODY, sent_at=AT, secrets=[SECRET], sequence=7)
    assert headers == {
        "content-type": "application/json",
        "webhook-id": MESSAGE,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
        "countinghouse-sequence": "7",
    }


def test_a_time_in_another_zone_is_signed_as_the_same_instant() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=9)))
    headers = signed_headers(message_id=MESSAGE, body=BODY, sent_at=elsewhere, secrets=[SECRET], sequence=1)
    assert headers["webhook-signature"] == SIGNATURE


def test_each_of_two_secrets_verifies_by_the_library_and_by_hand() -> None:
    secrets = [generate_secret(), generate_secret()]
    body = message_body(event_type="invoice.paid", occurred_at=AT, data='{"name": "Größe"}')
    headers = signed_headers(message_id="m", body=body, sent_at=AT, secrets=secrets, sequence=1)
    signed = b"m.1614265330." + body
    for secret, signature in zip(secrets, headers["webhook-signature"].split(" "), strict=True):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        assert len(key) == 32
        assert signature == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        with time_machine.travel(AT):
            assert Webhook(secret).verify(body, headers) == {
                "type": "invoice.paid",
                "timestamp": "2021-02-25T15:02:10Z",
                "data": {"name": "Größe"},
            }


def test_a_body_keeps_the_bytes_of_its_data() -> None:
    at = AT.replace(microsecond=1500)
    body = message_body(event_type="webhook.test", occurred_at=at, data='{"b": 1.10, "a": "x"}')
    assert body == b'{"type":"webhook.test","timestamp":"2021-02-25T15:02:10.001500Z","data":{"b": 1.10, "a": "x"}}'
    assert json.loads(body)["type"] == "webhook.test"
