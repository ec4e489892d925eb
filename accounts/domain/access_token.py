"""Access tokens: JWTs of some minutes that stand for an API key (RFC 9068), so that a program need not hold the key.

A token names its key and narrows its scopes. It says nothing about whether the key still works: that is looked up at
each request, as for the key itself. The algorithm is fixed. Only we issue and verify tokens, so it is an HMAC, of which
there is no public half to confuse with a secret.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.types import Options

from accounts.domain.scopes import Scope

ALGORITHM: Final = "HS256"
TYPE: Final = "at+jwt"
# Servers' clocks may differ by this much when a token was issued by one and is used at another.
CLOCKS_DIFFER_BY: Final = timedelta(seconds=5)
ACCESS: Final = b"countinghouse access token 1"
EMBED: Final = b"countinghouse embed token 1"
_SHAPE: Final = re.compile(r"eyJ[\w-]{10,300}\.[\w-]{20,1500}\.[\w-]{43}", re.ASCII)
_CLAIMS: Final = ("iss", "aud", "sub", "client_id", "exp", "iat", "nbf", "jti", "scope")
_OPTIONS: Final[Options] = {
    "require": list(_CLAIMS),
    # These are checked below, by the request's time.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret that signs tokens, and the name by which a token says that it did."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a token says, after its signature was verified."""

    key_id: UUID
    scopes: frozenset[Scope]
    begins_at: datetime
    expires_at: datetime

    def is_valid_at(self, as_of: datetime) -> bool:
        """Return whether the token has begun and not expired."""
        return self.begins_at - CLOCKS_DIFFER_BY <= as_of < self.expires_at


def signing_key(signing_secret: str, purpose: bytes = ACCESS) -> SigningKey:
    """Return the key that a signing secret of the installation yields for a purpose."""
    secret = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(signing_secret.encode())
    return SigningKey(hashlib.sha256(secret).hexdigest()[:16], secret)


def has_token_shape(text: str) -> bool:
    """Return whether a presented text is a token rather than a key."""
    return _SHAPE.fullmatch(text) is not None


def write_token(token: AccessToken, *, token_id: UUID, issuer: str, key: SigningKey) -> str:
    """Sign a token. Its times are cut to seconds."""
    begins = int(token.begins_at.timestamp())
    claims = {
        "iss": issuer,
        "aud": _audience_of(issuer),
        "sub": str(token.key_id),
        "client_id": str(token.key_id),
        "iat": begins,
        "nbf": begins,
        "exp": int(token.expires_at.timestamp()),
        "jti": str(token_id),
        "scope": " ".join(sorted(token.scopes)),
    }
    return jwt.encode(claims, key.secret, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": key.id})


def read_token(text: str, *, issuer: str, keys: Iterable[SigningKey]) -> AccessToken | None:
    """Return what a token says, or None if it is none of ours. Its times are the caller's to check."""
    try:
        header = jwt.get_unverified_header(text)
        key = next((key for key in keys if key.id == header.get("kid")), None)
        if key is None or header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
            return None
        claims = jwt.decode(
            text, key.secret, algorithms=[ALGORITHM], audience=_audience_of(issuer), issuer=issuer, options=_OPTIONS
        )
        return AccessToken(
            key_id=UUID(claims["client_id"]),
            scopes=frozenset(Scope(name) for name in claims["scope"].split()),
            begins_at=instant_of(claims["nbf"]),
            expires_at=instant_of(claims["exp"]),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, OverflowError):
        return None


def instant_of(seconds: object) -> datetime:
    """Return a time of a token. Raises `TypeError` unless it is a whole number of seconds."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise TypeError("a time is a whole number of seconds")
    return datetime.fromtimestamp(seconds, UTC)


def _audience_of(issuer: str) -> str:
    return f"{issuer}/api/v1"
