"""Stripe's signature of a webhook, over the raw bytes.

`Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`. Each v1 is the HMAC-SHA256 of "<t>.<body>" under the
endpoint's secret; there are several while a secret is rolled. Source: docs.stripe.com/webhooks, "Verify webhook
signatures manually". Unlike Stripe's library this also refuses times ahead of ours, and accepts bytes, so that nothing
has to be decoded first.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from billing.collection.errors import DeliverySignatureError

TOLERANCE: Final = timedelta(minutes=5)
HEADER_CHARACTERS_MAX: Final = 4096
_TIME: Final = re.compile(r"[0-9]{1,11}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


def verify_signature(*, header: str, body: bytes, secret: str, as_of: datetime) -> None:
    """Raise `DeliverySignatureError` unless `secret` signed `body` within five minutes of `as_of`, either way."""
    assert secret, "without a secret anyone could sign"
    time, signatures = _read(header)
    expected = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        raise DeliverySignatureError("No signature in the header is one of this body.")
    if abs(datetime.fromtimestamp(time, UTC) - as_of) > TOLERANCE:
        raise DeliverySignatureError("The signature's time is more than five minutes away from ours.")


def _read(header: str) -> tuple[int, list[str]]:
    """Return the time in seconds since 1970, and the signatures of the scheme v1; other schemes are ignored."""
    if not header:
        raise DeliverySignatureError("The header Stripe-Signature is missing.")
    if not header.isascii() or len(header) > HEADER_CHARACTERS_MAX:
        raise DeliverySignatureError("The header Stripe-Signature is malformed.")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1" and _SIGNATURE.fullmatch(value)]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not signatures:
        raise DeliverySignatureError("The header Stripe-Signature is malformed.")
    return int(times[0]), signatures
