"""The secret in an invitation's link: 256 random bits, stored as a digest, and its key in a browser's session."""

import hashlib
import secrets
from typing import Final

_TOKEN_BYTES: Final = 32
# Kept while an invited person signs up: its bearer may sign up although sign-up is closed.
INVITATION_IN_SESSION: Final = "invitation_token"


def make_token() -> str:
    """Generate a token, safe in a URL, from the system's random source."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_digest(token: str) -> bytes:
    """Return the SHA-256 under which an invitation is stored and found, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()
