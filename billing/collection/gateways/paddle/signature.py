"""Paddle's signature of a webhook, over the raw bytes.

`Paddle-Signature: ts=<seconds>;h1=<hex>[;h1=<hex>…]`. Each h1 is the HMAC-SHA256 of "<ts>:<body>" under a secret of the
destination; there are several while it is rotated. Source: developer.paddle.com/webhooks/signature-verification.
Paddle's library is not used for it: it raises on a malformed header, refuses a delivery after five seconds, decodes the
body, and a variable of the environment turns its check of the time off.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from billing.collection.errors import DeliverySignatureError

TOLERANCE: Final = timedelta(minutes=5)
HEADER: Final = "Paddle-Signature"
HEADER_CHARACTERS_MAX: Final = 4096
_TIME: Final = re.compile(r"[0-9]{1,11}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


def verify_signature(*, header: str, body: bytes, secrets: Sequence[str], as_of: datetime) -> None:
    """Raise `DeliverySignatureError` unless one of `secrets` signed `body` within five minutes of `as_of`."""
    assert secrets, "without a secret anyone could sign"
    assert all(secrets), "with an empty secret anyone could sign"
    time, signatures = _read(header)
    expected = [signature_of(body, secret, seconds=time) for secret in secrets]
    # Each is compared with each: which secret it was takes no less time.
    found = [hmac.compare_digest(one, signature) for one in expected for signature in signatures]
    if not any(found):
        raise DeliverySignatureError("No signature in the header is one of this body.")
    if abs(datetime.fromtimestamp(time, UTC) - as_of) > TOLERANCE:
        raise DeliverySignatureError("The signature's time is more than five minutes away from ours.")


def signature_of(body: bytes, secret: str, *, seconds: int) -> str:
    """Return the signature of a body that is sent at this time in seconds since 1970."""
    return hmac.new(secret.encode(), b"%d:" % seconds + body, hashlib.sha256).hexdigest()


def _read(header: str) -> tuple[int, list[str]]:
    """Return the time in seconds since 1970, and the signatures of the scheme h1; other schemes are ignored."""
    if not header:
        raise DeliverySignatureError(f"The header {HEADER} is missing.")
    if not header.isascii() or len(header) > HEADER_CHARACTERS_MAX:
        raise DeliverySignatureError(f"The header {HEADER} is malformed.")
    pairs = [part.strip().partition("=") for part in header.split(";")]
    times = [value for name, _, value in pairs if name == "ts"]
    signatures = [value for name, _, value in pairs if name == "h1" and _SIGNATURE.fullmatch(value)]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not signatures:
        raise DeliverySignatureError(f"The header {HEADER} is malformed.")
    return int(times[0]), signatures
