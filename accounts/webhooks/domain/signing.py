"""Signatures of Standard Webhooks, by its library. Pure.

The library takes a time as if it were UTC whatever its zone, and reads a body as text: both are given it so.
"""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from secrets import token_bytes
from typing import Final

from standardwebhooks import Webhook

from accounts.domain.plain import plain_instant

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a prefix
SECRET_BYTES: Final = 32
SEQUENCE_HEADER: Final = "countinghouse-sequence"


def generate_secret() -> str:
    """Return a new secret: 256 random bits in the form of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(token_bytes(SECRET_BYTES)).decode()


def message_body(*, event_type: str, occurred_at: datetime, data: str) -> bytes:
    """Return the body of a message, the same at every delivery. `data` is JSON."""
    return f'{{"type":"{event_type}","timestamp":"{plain_instant(occurred_at)}","data":{data}}}'.encode()


def signed_headers(
    *, message_id: str, body: bytes, sent_at: datetime, secrets: Sequence[str], sequence: int | None = None
) -> dict[str, str]:
    """Return the headers of one attempt, with a signature by each secret that is valid, the newest first."""
    assert secrets, "an endpoint has a secret"
    at = sent_at.astimezone(UTC)
    text = body.decode()
    signatures = [Webhook(secret).sign(message_id, at, text) for secret in secrets]
    numbered = {} if sequence is None else {SEQUENCE_HEADER: str(sequence)}
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
        **numbered,
    }
