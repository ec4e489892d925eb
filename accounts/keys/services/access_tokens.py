"""Issue access tokens for API keys. Nothing is stored: a token names its key, whose state is looked up at each use."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from accounts.at_rest import token_keys
from accounts.domain.access_token import AccessToken, write_token
from accounts.domain.api_key import parse_key
from accounts.domain.identifiers import uuid7
from accounts.domain.networks import is_allowed
from accounts.domain.principal import Principal
from accounts.domain.scopes import Scope
from accounts.keys.domain.token_requests import INVALID_CLIENT, TokenRequest, TokenRequestError
from accounts.selectors.api_keys import find_principal
from accounts.services.key_use import note_key_use


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token, its life, and the scopes that it has."""

    text: str = field(repr=False)
    expires_in_seconds: int
    scopes: frozenset[Scope]


def issue_access_token(*, request: TokenRequest, address: str, as_of: datetime) -> IssuedToken:
    """Issue a token that may do what the key may, or less. It never outlives the key. Raises `TokenRequestError`."""
    principal = _client(request, as_of)
    if not is_allowed(address, principal.allowed_cidrs):
        raise TokenRequestError("unauthorized_client", "The key may not be used from this address.")
    scopes = principal.scopes if request.scopes is None else request.scopes
    if not scopes <= principal.scopes:
        raise TokenRequestError("invalid_scope", "The key lacks a scope that is asked for.")
    ends_at = as_of + timedelta(seconds=settings.ACCESS_TOKEN_SECONDS)
    expires_at = min(filter(None, (ends_at, principal.expires_at)))
    token = AccessToken(principal.key_id, scopes, as_of, expires_at)
    text = write_token(token, token_id=uuid7(as_of), issuer=settings.PUBLIC_URL, key=token_keys()[0])
    note_key_use(key_id=principal.key_id, address=address, as_of=as_of)
    return IssuedToken(text, int(expires_at.timestamp()) - int(as_of.timestamp()), scopes)


def _client(request: TokenRequest, as_of: datetime) -> Principal:
    """Return the key that asks. A token is no secret of a client, so tokens beget no tokens."""
    is_key = parse_key(request.client_secret) is not None
    principal = find_principal(request.client_secret, as_of) if is_key else None
    if principal is None or request.client_id not in {str(principal.key_id), principal.prefix}:
        raise TokenRequestError(INVALID_CLIENT, "The client is not known, or its key is expired or revoked.")
    if principal.is_quarantined:
        raise TokenRequestError(INVALID_CLIENT, "The key was found in public and is quarantined.")
    return principal
