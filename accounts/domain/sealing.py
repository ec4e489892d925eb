"""Sealing an answer that holds a secret, so that only who presents the same API key can read it again.

The cipher's key is derived from the presented API key (HKDF, RFC 5869), of which we keep a digest alone:
who reads our database, or our backups, has nothing to open a sealed answer with. AES-256-GCM, a fresh nonce each.
"""

import secrets
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PURPOSE: Final = b"countinghouse sealed answer 1"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


def seal(answer: bytes, presented_key: str) -> bytes:
    """Return the answer, encrypted for the bearer of `presented_key`."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(presented_key).encrypt(nonce, answer, None)


def unseal(sealed: bytes, presented_key: str) -> bytes:
    """Return a sealed answer. Raises `cryptography.exceptions.InvalidTag` for another key or changed bytes."""
    return _cipher(presented_key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)


def _cipher(presented_key: str) -> AESGCM:
    derivation = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE)
    return AESGCM(derivation.derive(presented_key.encode()))
