"""The secret in an invitation's link: 256 random bits, of which only a digest is stored."""

import hashlib
import secrets
from typing import Final

_TOKEN_BYTES: Final = 32


def make_token() -> str:
    """Make a token from the system's random source, fit for an address."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_digest(token: str) -> bytes:
    """Return the SHA-256 under which an invitation is stored and found, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()
