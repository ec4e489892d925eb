"""Requests for an access token by client credentials (RFC 6749, sections 2.3.1, 4.4 and 5.2). Pure.

The client's id is the id of an API key, or its first 12 characters; the client's secret is the key.
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from accounts.domain.scopes import Scope

GRANT_TYPE: Final = "client_credentials"
FIELDS_MAX: Final = 20
INVALID_CLIENT: Final = "invalid_client"
_TWICE: Final = "A parameter is given more than once."


class TokenRequestError(Exception):
    """A refusal as the standard has it: a code, a sentence, and 401 if it is the client that is not known."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description

    @property
    def is_about_client(self) -> bool:
        """Return whether the client is not known, which is a 401; all else is a 400."""
        return self.code == INVALID_CLIENT


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A well-formed request. `scopes` is None if the client asks for all that its key has."""

    client_id: str
    client_secret: str = field(repr=False)
    scopes: frozenset[Scope] | None = None


def parse_token_request(body: bytes, *, authorization: str) -> TokenRequest:
    """Parse a form with the client's credentials in it or in `Authorization`. Raises `TokenRequestError`."""
    parameters = _parameters(body)
    client_id, client_secret = _credentials(parameters, authorization)
    grant_type = parameters.get("grant_type")
    if not grant_type:
        raise TokenRequestError("invalid_request", "grant_type is missing.")
    if grant_type != GRANT_TYPE:
        raise TokenRequestError("unsupported_grant_type", f"The grant type is {GRANT_TYPE}.")
    return TokenRequest(client_id, client_secret, _scopes(parameters.get("scope", "")))


def _parameters(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise TokenRequestError("invalid_request", "The body is not a form in UTF-8 of a few fields.") from error
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise TokenRequestError("invalid_request", _TWICE)
    return parameters


def _credentials(parameters: dict[str, str], authorization: str) -> tuple[str, str]:
    """Return the client's id and secret, which come by exactly one of the two ways."""
    in_form = parameters.get("client_id", ""), parameters.get("client_secret", "")
    if not authorization:
        if not all(in_form):
            raise TokenRequestError(INVALID_CLIENT, "Give client_id and client_secret, or HTTP Basic.")
        return in_form
    if in_form[1]:
        raise TokenRequestError("invalid_request", "Give the client's secret in one way, not in two.")
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        text = ""
    client_id, colon, client_secret = text.partition(":")
    if not colon:
        raise TokenRequestError(INVALID_CLIENT, "The Authorization header is not HTTP Basic.")
    client_id = unquote_plus(client_id)
    if in_form[0] and in_form[0] != client_id:
        raise TokenRequestError("invalid_request", "Two different clients are named.")
    return client_id, unquote_plus(client_secret)


def _scopes(text: str) -> frozenset[Scope] | None:
    try:
        return frozenset(Scope(name) for name in text.split(" ") if name) or None
    except ValueError as error:
        raise TokenRequestError("invalid_scope", "A scope is not known.") from error
