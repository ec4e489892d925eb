"""Encryption of secrets that we must be able to read again: a dump of the database alone does not open them.

The cipher's key is derived from the signing secret, a different one for each purpose. Earlier signing secrets still
open what they encrypted. The signing secret comes from the environment, so a copy of the database or a backup lacks it.
"""

import base64
import hashlib
from functools import lru_cache
from typing import Final

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

from accounts.domain.access_token import ACCESS, EMBED, SigningKey, signing_key

TOTP: Final = "mfa"
SESSION: Final = "session"
WEBHOOK_SECRET: Final = "webhook secret"  # noqa: S105 - a purpose
ENDPOINT_SECRET: Final = "webhook endpoint"  # noqa: S105 - a purpose
CHANNEL_SECRET: Final = "notice channel"  # noqa: S105 - a purpose
PROOF_KEY: Final = "proof key"


def seal_text(text: str, *, purpose: str) -> str:
    """Encrypt and authenticate the text. Return URL-safe base64."""
    return _cipher(purpose, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS).encrypt(text.encode()).decode()


def unseal_text(sealed: str, *, purpose: str) -> str:
    """Decrypt a text that was sealed for this purpose.

    Raises `cryptography.fernet.InvalidToken` if it was sealed for another purpose, or by a secret we no longer have.
    """
    return _cipher(purpose, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS).decrypt(sealed.encode()).decode()


def token_keys() -> tuple[SigningKey, ...]:
    """Return the keys of access tokens: that which signs, then those of earlier signing secrets."""
    return _token_keys(ACCESS, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def embed_keys() -> tuple[SigningKey, ...]:
    """Return the keys of embed tokens in the same order. They sign nothing else."""
    return _token_keys(EMBED, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=4)
def _token_keys(purpose: bytes, *signing_secrets: str) -> tuple[SigningKey, ...]:
    return tuple(signing_key(secret, purpose) for secret in signing_secrets)


@lru_cache(maxsize=16)
def _cipher(purpose: str, *signing_secrets: str) -> MultiFernet:
    prefix = f"countinghouse {purpose} ".encode()
    return MultiFernet(
        [
            Fernet(base64.urlsafe_b64encode(hashlib.sha256(prefix + secret.encode()).digest()))
            for secret in signing_secrets
        ]
    )
