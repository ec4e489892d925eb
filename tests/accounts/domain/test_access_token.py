"""Access tokens: what is ours and valid now, and every confusion that is neither."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from accounts.domain.access_token import (
    CLOCKS_DIFFER_BY,
    AccessToken,
    has_token_shape,
    read_token,
    signing_key,
    write_token,
)
from accounts.domain.masking import find_secrets, mask_secrets
from accounts.domain.scopes import Scope

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ISSUER = "https://billing.example.com"
KEY, OLDER = signing_key("a" * 50), signing_key("b" * 50)
KEY_ID = UUID("01a22cd6-321a-73d7-9599-a37b237dbfd9")
TOKEN = AccessToken(KEY_ID, frozenset({Scope.EVENTS_WRITE, Scope.USAGE_READ}), NOW, NOW + timedelta(minutes=15))
CLAIMS = jwt.decode(write_token(TOKEN, token_id=KEY_ID, issuer=ISSUER, key=KEY), options={"verify_signature": False})


def read(text: str) -> AccessToken | None:
    return read_token(text, issuer=ISSUER, keys=[KEY])


def signed(headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a token with some claims changed; None leaves one out."""
    changed = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    named = {"typ": "at+jwt", "kid": KEY.id} | (headers or {})
    return jwt.encode(changed, KEY.secret, algorithm="HS256", headers=named)


def test_a_token_says_what_was_written() -> None:
    text = write_token(TOKEN, token_id=KEY_ID, issuer=ISSUER, key=KEY)
    assert has_token_shape(text)
    assert read(text) == read(signed()) == TOKEN
    header = jwt.get_unverified_header(text)
    assert (header["alg"], header["typ"], header["kid"]) == ("HS256", "at+jwt", KEY.id)
    assert CLAIMS["sub"] == CLAIMS["client_id"] == str(KEY_ID)
    assert CLAIMS["aud"] == f"{ISSUER}/api/v1"
    assert CLAIMS["scope"] == "events:write usage:read"


def test_a_token_is_valid_from_its_beginning_to_its_end() -> None:
    assert TOKEN.is_valid_at(NOW)
    assert TOKEN.is_valid_at(NOW - CLOCKS_DIFFER_BY)
    assert not TOKEN.is_valid_at(NOW - CLOCKS_DIFFER_BY - timedelta(microseconds=1))
    assert TOKEN.is_valid_at(TOKEN.expires_at - timedelta(microseconds=1))
    assert not TOKEN.is_valid_at(TOKEN.expires_at)


def test_an_older_signing_secret_still_verifies_and_a_dropped_one_does_not() -> None:
    old = write_token(TOKEN, token_id=KEY_ID, issuer=ISSUER, key=OLDER)
    assert read_token(old, issuer=ISSUER, keys=[KEY, OLDER]) == TOKEN
    assert read(old) is None


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def headed(header: object) -> str:
    """Return our token under another header, which the library would not write."""
    first = part(header)
    _, claims, _ = signed().split(".")
    mac = hmac.digest(KEY.secret, f"{first}.{claims}".encode(), "sha256")
    return f"{first}.{claims}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


NONE_ALGORITHM = f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': KEY.id})}.{part(CLAIMS)}."
RSA = jwt.encode(CLAIMS, generate_private_key(65537, 2048), algorithm="RS256", headers={"typ": "at+jwt", "kid": KEY.id})
OTHER_HMAC = jwt.encode(CLAIMS, KEY.secret * 2, algorithm="HS512", headers={"typ": "at+jwt", "kid": KEY.id})


@pytest.mark.parametrize(
    "text",
    [
        NONE_ALGORITHM,
        NONE_ALGORITHM + "A" * 43,
        RSA,
        OTHER_HMAC,
        signed({"typ": "JWT"}),
        signed({"kid": OLDER.id}),
        headed({"alg": "HS256", "typ": "at+jwt"}),
        headed({"alg": "HS256", "typ": "at+jwt", "kid": ["x"]}),
        headed({"alg": ["HS256"], "typ": "at+jwt", "kid": KEY.id}),
        headed([]),
        signed()[:-2] + "AA",
        signed().replace(".", ".e", 1),
        jwt.encode(CLAIMS, "x" * 32, algorithm="HS256", headers={"typ": "at+jwt", "kid": KEY.id}),
        "",
        "a.b.c",
        "eyJ.eyJ." + "A" * 43,
    ],
)
def test_what_we_did_not_sign_so_is_no_token(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "https://elsewhere.example/api/v1"},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**30},
        {"nbf": 1.5},
        {"client_id": "no uuid"},
        {"client_id": 7},
        {"scope": "everything"},
        {"scope": ["usage:read"]},
        {"sub": None},
        {"jti": None},
    ],
)
def test_a_signed_token_with_other_claims_is_none_of_ours(claims: dict[str, Any]) -> None:
    assert read(signed(**claims)) is None


def test_a_token_is_masked_in_texts_and_found_in_them() -> None:
    text = f"Authorization: Bearer {signed()} and more"
    assert signed() not in mask_secrets(text)
    assert mask_secrets(text).endswith("eyJ… and more")
    assert [found.kind for found in find_secrets(text)] == ["access token"]
