"""Embed tokens: JWTs of at most an hour that show some figures of one tenant in a frame of another site, and no more.

A token names its tenant, the key that it stands on, what it shows and the one site that may frame it. Whether the key
still works is looked up at each use. It is signed with a key of its own, so the API takes no embed token and the frames
take no access token.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import jwt
from jwt.types import Options

from accounts.domain.access_token import ALGORITHM, CLOCKS_DIFFER_BY, SigningKey, instant_of
from accounts.domain.scopes import Scope
from accounts.errors import AudienceNotAllowedError, FieldError, InvalidFieldsError

TYPE: Final = "embed+jwt"
SECONDS_MAX: Final = 3600
SECONDS_MIN: Final = 60
SECONDS: Final = 900
CHARACTERS_MAX: Final = 1500
_CLAIMS: Final = ("iss", "aud", "sub", "client_id", "exp", "iat", "jti", "shows", "site")
# Its time is checked below, by the request's clock.
_OPTIONS: Final[Options] = {"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False}


class Shown(StrEnum):
    """What a token can show."""

    USAGE = "usage"
    SPEND = "spend"
    INVOICES = "invoices"


# The scope that a key must have to have this shown.
SCOPE_OF: Final = {
    Shown.USAGE: Scope.USAGE_READ,
    Shown.SPEND: Scope.BILLING_READ,
    Shown.INVOICES: Scope.BILLING_READ,
}


@dataclass(frozen=True, slots=True)
class EmbedToken:
    """What a token says, after its signature was verified. `site` is an origin such as `https://app.example.com`."""

    key_id: UUID
    tenant_id: UUID
    shows: frozenset[Shown]
    site: str
    begins_at: datetime
    expires_at: datetime

    def is_valid_at(self, as_of: datetime) -> bool:
        """Return whether the token has begun and not expired."""
        return self.begins_at - CLOCKS_DIFFER_BY <= as_of < self.expires_at


def expiry_of(as_of: datetime, seconds: int, key_expires_at: datetime | None) -> datetime:
    """Return when a token of so many seconds ends: never after its key."""
    ends_at = as_of + timedelta(seconds=seconds)
    return ends_at if key_expires_at is None else min(ends_at, key_expires_at)


def write_embed_token(token: EmbedToken, *, token_id: UUID, issuer: str, key: SigningKey) -> str:
    """Sign a token. Its times are cut to seconds."""
    claims = {
        "iss": issuer,
        "aud": _audience_of(issuer),
        "sub": str(token.tenant_id),
        "client_id": str(token.key_id),
        "iat": int(token.begins_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": str(token_id),
        "shows": " ".join(sorted(token.shows)),
        "site": token.site,
    }
    return jwt.encode(claims, key.secret, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": key.id})


def read_embed_token(text: str, *, issuer: str, keys: Iterable[SigningKey]) -> EmbedToken | None:
    """Return what a token says, or None if it is none of ours. Its times are the caller's to check."""
    if len(text) > CHARACTERS_MAX or not text.isascii():
        return None
    try:
        header = jwt.get_unverified_header(text)
        key = next((key for key in keys if key.id == header.get("kid")), None)
        if key is None or header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
            return None
        claims = jwt.decode(
            text, key.secret, algorithms=[ALGORITHM], audience=_audience_of(issuer), issuer=issuer, options=_OPTIONS
        )
        return EmbedToken(
            key_id=UUID(claims["client_id"]),
            tenant_id=UUID(claims["sub"]),
            shows=frozenset(Shown(name) for name in claims["shows"].split()),
            site=str(claims["site"]),
            begins_at=instant_of(claims["iat"]),
            expires_at=instant_of(claims["exp"]),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, OverflowError):
        return None


def checked_site(text: str, *, allowed: Collection[str]) -> str:
    """Return the origin of the site that will frame the pages.

    Raises `InvalidFieldsError` if it is none, and `AudienceNotAllowedError` if the operator does not allow it.
    """
    site = origin_of(text)
    if not site:
        refusal = FieldError("/audience", "invalid_audience", "Scheme and host, such as https://app.example.com.")
        raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))
    if site not in allowed:
        raise AudienceNotAllowedError("EMBED_FRAME_ANCESTORS, a setting of the operator, does not have this site.")
    return site


def origin_of(text: str) -> str:
    """Return a site as scheme, host and port in small letters; empty if the text is no plain origin."""
    if not text.isascii() or not text.isprintable() or any(sign in text for sign in " ;,'\"*<>\\"):
        return ""
    try:
        parts = urlsplit(text.lower())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    is_origin = plain and parts.path in {"", "/"} and not parts.query and not parts.fragment
    host = f"[{parts.hostname}]" if is_origin and ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}" if is_origin else ""


def _audience_of(issuer: str) -> str:
    return f"{issuer}/embed"
