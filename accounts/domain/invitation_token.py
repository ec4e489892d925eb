"""The secret in an invitation's link: 256 random bits, stored as a digest, and its place in a browser's session."""

import hashlib
import secrets
from typing import Final

_TOKEN_BYTES: Final = 32
# Kept while somebody who was invited signs up: it opens a closed sign-up to its bearer.
INVITATION_IN_SESSION: Final = "invitation_token"


def make_token() -> str:
    """Make a token from the system's random source, fit for an address."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_digest(token: str) -> bytes:
    """Return the SHA-256 under which an invitation is stored and found, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()
