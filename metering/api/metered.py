"""Metering for any view of an adopter's own: a decorator, and a permission class for REST framework.

    @metered()                                     # a Django view, or a handler of a REST framework view
    @metered(quantity=lambda request: len(request.data["items"]))
    permission_classes = [MeteredPermission]       # every method of a REST framework view

The request is authorised and counted before the view runs, in the one step of `POST /authorize`: a request that has run
is counted, whatever it returns, and one that is refused never runs. The status and the length of the response are
known only afterwards, so they are no part of the event; `POST /access-logs` reports those.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import wraps
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api.authentication import ApiKeyAuthentication, principal_of
from accounts.api.parsers import django_request
from accounts.api.problems import render_problem
from accounts.api.tenancy import require_active, tenant_of
from accounts.domain.identifiers import uuid7
from accounts.domain.principal import TenantFacts
from accounts.domain.reach import WayIn, way_in
from accounts.errors import ProblemError
from metering.api.rate_limit_headers import rate_limit_headers, refusal_error
from metering.api.reporting import rules_for
from metering.domain.event_input import parse_event
from metering.domain.events import ParsedEvent, Rejection
from metering.domain.http_requests import EVENT_TYPE, HTTP_METHOD, RESOURCE_PATH
from metering.errors import EventRefusedError
from metering.services.limits.authorization import authorize

Quantity = int | Decimal | Callable[[Request], int | Decimal]
View = Callable[..., HttpResponseBase]

PATH_CHARACTERS_MAX: Final = 1000
# A browser sends OPTIONS, without a key, to learn whether it may send the request.
UNMETERED_METHOD: Final = "OPTIONS"


def metered(event_type: str = EVENT_TYPE, *, quantity: Quantity = 1) -> Callable[[View], View]:
    """Require a valid key, and let the request pass and count it if its limits allow it.

    In a Django view the caller is in `request.auth` afterwards, and a refusal is returned as a problem. A view that
    takes POST with a key instead of a cookie is also `csrf_exempt`. In a REST framework view a refusal is raised.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def respond(*args: Any, **kwargs: Any) -> HttpResponseBase:
            request = _request_among(args)
            if isinstance(request, Request):
                headers = admit(request, event_type=event_type, quantity=quantity)
                # Set on every response, also on an error that the handler raises: that request was counted too.
                request.parser_context["view"].headers.update(headers)
                return view(*args, **kwargs)
            try:
                headers = admit(_with_key(request), event_type=event_type, quantity=quantity)
            except ProblemError as error:
                return render_problem(request, error)
            response = view(*args, **kwargs)
            for name, value in headers.items():
                response[name] = value
            return response

        return respond

    return decorate


class MeteredPermission(BasePermission):
    """Meters every method of a view. It is the view's last permission, so that only permitted calls are counted.

    The view may name its own `metered_event_type` and `metered_quantity`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Pass and count, or raise what refuses the request."""
        if request.method == UNMETERED_METHOD:
            return True
        event_type: str = getattr(view, "metered_event_type", EVENT_TYPE)
        quantity: Quantity = getattr(view, "metered_quantity", 1)
        # These headers are set on the view's response, whatever the response is.
        view.headers.update(admit(request, event_type=event_type, quantity=quantity))
        return True


def admit(request: Request, *, event_type: str, quantity: Quantity) -> dict[str, str]:
    """Authorize and count a request; return the rate-limit headers of its response.

    Raises 401, 402, 403 or 429, for service keys also 404 and 422, and 503 if a store is down.
    """
    as_of, principal = timezone.now(), principal_of(request)
    tenant = tenant_of(request)
    require_active(tenant)
    event = _event_of(request, tenant, event_type, quantity(request) if callable(quantity) else quantity, as_of)
    with way_in(WayIn.INGEST):
        decision = authorize(principal=principal, tenant=tenant, event=event, as_of=as_of).decision
    if not decision.is_allowed:
        raise refusal_error(decision, as_of)
    return rate_limit_headers(decision.limits, as_of)


def resource_path(request: Request) -> str:
    """Return the path as in the URL configuration, so that `/orders/17` and `/orders/18` are one resource."""
    match = django_request(request).resolver_match
    path = request.path if match is None or match.route is None else f"/{match.route}"
    return path[:PATH_CHARACTERS_MAX]


def _event_of(
    request: Request, tenant: TenantFacts, event_type: str, quantity: int | Decimal, as_of: datetime
) -> ParsedEvent:
    """Return the event of one request.

    Its id is generated: with an id of its own choice a client could repeat a request for free.
    """
    members = {
        "id": str(uuid7(as_of)),
        "type": event_type,
        "quantity": quantity,
        "properties": {HTTP_METHOD: request.method, RESOURCE_PATH: resource_path(request)},
    }
    verdict = parse_event(members, 0, as_of, rules_for(tenant, as_of, accepts_tenant=False))
    if not isinstance(verdict, Rejection):
        return verdict
    if verdict.code == "unknown_event_type":
        raise ImproperlyConfigured(f"A metered view names the event type {event_type!r}, which does not exist.")
    raise EventRefusedError(verdict.detail, code=verdict.code)


def _request_among(args: tuple[Any, ...]) -> HttpRequest | Request:
    """Return the request: a function has it first, a method second."""
    for argument in args[:2]:
        if isinstance(argument, HttpRequest | Request):
            return argument
    raise ImproperlyConfigured("@metered belongs on a view: its first argument is the request.")


def _with_key(request: HttpRequest) -> Request:
    """Return a Django view's request as one of REST framework; the caller is set on both."""
    checked = Request(request, authenticators=[ApiKeyAuthentication()])
    principal_of(checked)
    return checked
