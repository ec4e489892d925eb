"""Authentication of callers: an API key in a header, or the session of a member of staff.

A key is refused here for every reason that depends on the key alone, including the address it is used from, so that
no view can forget to check. Unknown, expired and revoked keys look the same to the caller.
"""

from typing import Final

import structlog
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from accounts.api.problems import WWW_AUTHENTICATE
from accounts.api.request_facts import address_of, request_id_of
from accounts.api.second_factor import must_prove
from accounts.domain.actor import Actor
from accounts.domain.networks import is_allowed
from accounts.domain.principal import Principal
from accounts.domain.reach import Reach, WayIn, reach_from_now_on, way_in
from accounts.errors import (
    AddressNotAllowedError,
    KeyQuarantinedError,
    NotAuthenticatedError,
    SecondFactorMissingError,
)
from accounts.models import User
from accounts.selectors.api_keys import find_principal
from accounts.services.key_use import note_key_use, note_refusal

_INVALID_TOKEN: Final = f'{WWW_AUTHENTICATE}, error="invalid_token"'
_QUARANTINED: Final = (
    "The key was found in a public place and is refused since. Rotate it; an owner or admin can also release it."
)


def presented_key(request: HttpRequest | Request) -> str | None:
    """Return the key that the caller presents, or None. Raises 401 if two headers contradict each other."""
    given = _given(request)
    if len(set(given)) > 1:
        raise _refusal("Two different keys were given.")
    return given[0] if given else None


def presents_key(request: HttpRequest) -> bool:
    """Return whether the caller presents a key, valid or not. If so, a session is ignored."""
    return bool(_given(request))


def _given(request: HttpRequest | Request) -> list[str]:
    """Return what each header has in place of a key."""
    scheme, _, bearer = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    given = [bearer.strip()] if scheme.lower() == "bearer" else []
    if "HTTP_X_API_KEY" in request.META:
        given.append(request.META["HTTP_X_API_KEY"].strip())
    return given


def principal_for(request: HttpRequest | Request) -> Principal | None:
    """Check the presented key; also for an adopter's own views. Raises 401, or 403 for the address."""
    secret = presented_key(request)
    if secret is None:
        return None
    as_of = timezone.now()
    with way_in(WayIn.SIGN_IN):
        principal = find_principal(secret, as_of)
    if principal is None:
        raise _refusal("The key is not valid: it is unknown, expired or revoked.")
    if principal.is_quarantined:
        note_refusal(key_id=principal.key_id, code=KeyQuarantinedError.code, as_of=as_of)
        raise KeyQuarantinedError(_QUARANTINED, headers={"WWW-Authenticate": _INVALID_TOKEN})
    address = address_of(request)
    if not is_allowed(address, principal.allowed_cidrs):
        note_refusal(key_id=principal.key_id, code=AddressNotAllowedError.code, as_of=as_of)
        raise AddressNotAllowedError("The key may not be used from this address.")
    structlog.contextvars.bind_contextvars(
        api_key=principal.prefix, tenant=principal.tenant.slug if principal.tenant else None
    )
    with way_in(WayIn.SIGN_IN):
        note_key_use(key_id=principal.key_id, address=address, as_of=as_of)
    reach_from_now_on(_reach_of(principal))
    return principal


def _reach_of(principal: Principal) -> Reach:
    """Return the tenant that a tenant's key reaches. A service key reaches none until it names one."""
    return Reach(way_in=WayIn.SIGN_IN) if principal.tenant is None else Reach(principal.tenant.id)


def _refusal(detail: str) -> NotAuthenticatedError:
    return NotAuthenticatedError(detail, headers={"WWW-Authenticate": _INVALID_TOKEN})


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>` or `X-Api-Key: <key>`; `request.auth` becomes a `Principal`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Principal] | None:
        """Return an anonymous user and the key's principal, or None if no key was given."""
        principal = principal_for(request)
        return None if principal is None else (AnonymousUser(), principal)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Return the `WWW-Authenticate` header of a 401."""
        return WWW_AUTHENTICATE


class StaffSessionAuthentication(SessionAuthentication):
    """The session of a member of staff, with CSRF protection. Customers' sessions are ignored."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """Return the member of staff, or None. Raises 403 if the session lacks the second factor."""
        result = super().authenticate(request)
        if result is None or not isinstance(result[0], User) or not result[0].is_staff:
            return None
        if must_prove(request._request):  # noqa: SLF001 - DRF documents it: what the middleware has seen
            raise SecondFactorMissingError("Open /admin/ in this browser and prove your second factor there.")
        return result[0], None


def principal_of(request: Request) -> Principal:
    """Return the key that calls. Raises 401 if there is none."""
    principal = request.auth
    if isinstance(principal, Principal):
        return principal
    raise NotAuthenticatedError("Give a key as Authorization: Bearer, or as X-Api-Key.")


def actor_of(request: Request) -> Actor:
    """Return who acts, for the audit log. Raises 401 if the caller is not authenticated."""
    ip = address_of(request) or None
    request_id = request_id_of(request)
    if isinstance(request.auth, Principal):
        label = f"{request.auth.name} ({request.auth.prefix}…)"
        return Actor.api_key(key_id=request.auth.key_id, label=label, ip=ip, request_id=request_id)
    if isinstance(request.user, User):
        return Actor.staff(user_id=request.user.pk, label=request.user.email, ip=ip, request_id=request_id)
    raise NotAuthenticatedError
