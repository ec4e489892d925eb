"""`Idempotency-Key` on creating calls (draft-ietf-httpapi-idempotency-key-header).

    @idempotent()
    def post(self, request: Request) -> Response: ...

The same key with the same body replays the first response. The work and its response commit together or not at all.
Keys belong to a tenant, live and test separately, so no customer sees another's response.
"""

import hashlib
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from uuid import UUID, uuid5

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import presented_key
from accounts.api.parsers import body_bytes
from accounts.api.renderers import encode_json
from accounts.api.tenancy import HEADER as TENANT_HEADER
from accounts.domain.principal import Principal
from accounts.domain.reach import current_reach, reaching
from accounts.domain.sealing import seal, unseal
from accounts.errors import MalformedBodyError, NotAuthenticatedError
from accounts.models import IdempotencyRecord, User
from accounts.services.idempotency import claim_idempotency_key, store_response

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
# In quotes, as a structured field has it, or bare; bare without a comma, by which servers join a header given twice.
_SHAPE: Final = re.compile(
    r'"(?P<quoted>[\x20-\x21\x23-\x7e]{1,255})"|(?P<bare>[\x20-\x21\x23-\x2b\x2d-\x7e]{1,255})', re.ASCII
)
_JSON: Final = "application/json"
_CONTENT_HEADERS: Final = "ce-"
_TEST_SCOPE: Final = "test"
_STAFF_SCOPES: Final = UUID("6f1b7c52-6d39-5f0e-9c25-0f5c3a7b9d11")
_SUCCESS: Final = range(200, 300)

View = TypeVar("View")
Arguments = ParamSpec("Arguments")
Handler = Callable[Concatenate[View, Request, Arguments], HttpResponse]


def idempotent(
    *, is_sealed: bool = False, unless: Callable[[Request], bool] | None = None
) -> Callable[[Handler[View, Arguments]], Handler[View, Arguments]]:
    """Enforce the header on a view's `post`, if the caller sends it.

    `is_sealed` encrypts the stored response for the bearer of the same API key: for responses that hold a secret.
    `unless` says of which requests the header is not this, but a name that the view itself keeps unique.
    """

    def decorate(handler: Handler[View, Arguments]) -> Handler[View, Arguments]:
        @wraps(handler)
        def respond(view: View, request: Request, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
            key = idempotency_key_of(request)
            if key is None or (unless is not None and unless(request)):
                return handler(view, request, *args, **kwargs)
            return _respond_once(request, key, lambda: handler(view, request, *args, **kwargs), is_sealed=is_sealed)

        return respond

    return decorate


def idempotency_key_of(request: Request) -> str | None:
    """Return the caller's key, without the quotes of a structured field. Raises 400."""
    given = request.headers.get(HEADER)
    if given is None:
        return None
    shape = _SHAPE.fullmatch(given.strip())
    if shape is None:
        detail = f"{HEADER} is given once and has 1 to 255 printable ASCII characters; with a comma, in quotes."
        raise MalformedBodyError(detail, code="invalid_idempotency_key")
    return shape["quoted"] or shape["bare"]


def _respond_once(request: Request, key: str, work: Callable[[], HttpResponse], *, is_sealed: bool) -> HttpResponse:
    secret = presented_key(request) if is_sealed else None
    assert not is_sealed or secret is not None, "a response is sealed for the bearer of an API key"
    scope_id, digest, as_of = _scope_of(request), _request_digest(request, secret), timezone.now()
    with transaction.atomic():
        first = claim_idempotency_key(scope_id=scope_id, key=key, request_digest=digest, as_of=as_of)
        if first is not None:
            return _replay(first, secret)
        with reaching(current_reach()):  # what the work reaches beyond that, its response does not need
            response = work()
        assert isinstance(response, Response), "a response is stored as its data"
        if response.status_code in _SUCCESS:
            body = encode_json(response.data)
            store_response(
                scope_id=scope_id,
                tenant_id=_tenant_id_of(request),
                key=key,
                request_digest=digest,
                status=response.status_code,
                body=body if secret is None else seal(body, secret),
                is_sealed=is_sealed,
                as_of=as_of,
            )
        return response


def _replay(first: IdempotencyRecord, secret: str | None) -> HttpResponse:
    stored = bytes(first.body)
    body = unseal(stored, secret) if first.is_sealed and secret is not None else stored
    headers = {REPLAYED_HEADER: "true"}
    if first.is_sealed:
        headers["Cache-Control"] = "no-store"  # as the first time: the response holds a secret
    return HttpResponse(body, status=first.status, content_type="application/json", headers=headers)


def _scope_of(request: Request) -> UUID:
    """Return the scope of the key: the tenant with its test half separate, a service key, or a member of staff."""
    caller: Any = request.auth
    if isinstance(caller, Principal):
        if caller.tenant is None:
            return caller.key_id
        return caller.tenant.id if caller.is_live else uuid5(caller.tenant.id, _TEST_SCOPE)
    if isinstance(request.user, User):
        return uuid5(_STAFF_SCOPES, str(request.user.pk))
    raise NotAuthenticatedError


def _tenant_id_of(request: Request) -> UUID | None:
    caller: Any = request.auth
    return caller.tenant.id if isinstance(caller, Principal) and caller.tenant is not None else None


def _request_digest(request: Request, secret: str | None) -> bytes:
    """Return a hash of the request; for sealed responses it includes the API key that can open them."""
    _ = request.data  # parses the body: a bad one is refused before its bytes are compared
    digest = hashlib.sha256()
    for part in (
        request.method or "",
        request.path,
        request.META.get("QUERY_STRING", ""),
        request.headers.get(TENANT_HEADER, ""),
        secret or "",
        *_content_headers(request),
    ):
        digest.update(part.encode() + b"\x00")
    digest.update(body_bytes(request))
    return digest.digest()


def _content_headers(request: Request) -> list[str]:
    """Return the headers that are content: another media type than JSON, and the attributes of a CloudEvent."""
    kind = str(request.content_type or "").partition(";")[0].strip().lower()
    given = [] if kind == _JSON else [kind]
    headers = sorted((name.lower(), value) for name, value in request.headers.items())
    return given + [f"{name}: {value}" for name, value in headers if name.startswith(_CONTENT_HEADERS)]
