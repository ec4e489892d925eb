"""Secrets that we must be able to read again, sealed before they are stored: a dump alone opens nothing.

The cipher's key is derived from the signing secret, for each purpose another; earlier signing secrets still open what
they sealed. Who reads the database, or a backup, has no signing secret: it comes from the environment.
"""

import base64
import hashlib
from functools import lru_cache
from typing import Final

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

TOTP: Final = "mfa"
SESSION: Final = "session"
WEBHOOK_SECRET: Final = "webhook secret"  # noqa: S105 - a purpose


def seal_text(text: str, *, purpose: str) -> str:
    """Return the text, encrypted and authenticated, as URL-safe base64."""
    return _cipher(purpose, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS).encrypt(text.encode()).decode()


def unseal_text(sealed: str, *, purpose: str) -> str:
    """Return what was sealed for this purpose.

    Raises `cryptography.fernet.InvalidToken` if it was not, or by a secret that we no longer have.
    """
    return _cipher(purpose, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS).decrypt(sealed.encode()).decode()


@lru_cache(maxsize=16)
def _cipher(purpose: str, *signing_secrets: str) -> MultiFernet:
    prefix = f"countinghouse {purpose} ".encode()
    return MultiFernet(
        [
            Fernet(base64.urlsafe_b64encode(hashlib.sha256(prefix + secret.encode()).digest()))
            for secret in signing_secrets
        ]
    )
