"""Encryption of a stored response with a secret, so that only a caller with the same API key can read it again.

The cipher's key is derived from the presented API key (HKDF, RFC 5869). We store only the key's digest, so our database
and backups cannot open a sealed response. AES-256-GCM, with a new nonce each time.
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
    """Encrypt the response for the bearer of `presented_key`."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(presented_key).encrypt(nonce, answer, None)


def unseal(sealed: bytes, presented_key: str) -> bytes:
    """Decrypt a sealed response. Raises `cryptography.exceptions.InvalidTag` for another key or changed bytes."""
    return _cipher(presented_key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)


def _cipher(presented_key: str) -> AESGCM:
    derivation = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE)
    return AESGCM(derivation.derive(presented_key.encode()))
