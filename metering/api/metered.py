"""Metering for any view of an adopter's own: a decorator, and a permission class for REST framework.

    @metered()                                     # a Django view, or a handler of a REST framework view
    @metered(quantity=lambda request: len(request.data["items"]))
    permission_classes = [MeteredPermission]       # every method of a REST framework view

The request is authorised and counted before the view runs, in the one step of `POST /authorize`: a request that has run
is counted, whatever it returns, and one that is refused never runs. The status and the length of the response are
known only afterwards, so they are no part of the event; `POST /access-logs` reports those.

With `@metered(refunds_failures=True)` the quota is only held while the view runs. The request is counted when the view
has returned, and released if the view failed: it raised, or returned a status of 500 or more.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import wraps
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api.authentication import ApiKeyAuthentication, principal_of
from accounts.api.parsers import django_request
from accounts.api.problems import render_problem
from accounts.api.tenancy import require_active, tenant_of
from accounts.domain.identifiers import uuid7
from accounts.domain.principal import Principal, TenantFacts
from accounts.domain.reach import WayIn, way_in
from accounts.errors import ProblemError, StoreUnavailableError
from metering.api.rate_limit_headers import rate_limit_headers, refusal_error
from metering.api.reporting import rules_for
from metering.domain.event_input import parse_event
from metering.domain.events import ParsedEvent, Rejection
from metering.domain.http_requests import EVENT_TYPE, HTTP_METHOD, RESOURCE_PATH
from metering.domain.reservations import EXPIRES_IN_SECONDS_MAX
from metering.errors import EventRefusedError, ReservationEndedError
from metering.services.limits.authorization import authorize
from metering.services.limits.counting import ingest_and_count
from metering.services.limits.reservations import commit_reservation, release_reservation, reserve

Quantity = int | Decimal | Callable[[Request], int | Decimal]
View = Callable[..., HttpResponseBase]

PATH_CHARACTERS_MAX: Final = 1000
# A browser sends OPTIONS, without a key, to learn whether it may send the request.
UNMETERED_METHOD: Final = "OPTIONS"


def metered(
    event_type: str = EVENT_TYPE, *, quantity: Quantity = 1, refunds_failures: bool = False
) -> Callable[[View], View]:
    """Require a valid key, and let the request pass and count it if its limits allow it.

    With `refunds_failures` a request whose view fails is not counted. In a Django view the caller is in `request.auth`
    afterwards, and a refusal is returned as a problem. A view that takes POST with a key instead of a cookie is also
    `csrf_exempt`. In a REST framework view a refusal is raised.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def respond(*args: Any, **kwargs: Any) -> HttpResponseBase:
            request = _request_among(args)
            admit_request = reserve_for if refunds_failures else admit
            if isinstance(request, Request):
                admitted = admit_request(request, event_type=event_type, quantity=quantity)
                # Set on every response, also on an error that the handler raises.
                request.parser_context["view"].headers.update(admitted.headers)
                return admitted.run(lambda: view(*args, **kwargs))
            try:
                admitted = admit_request(_with_key(request), event_type=event_type, quantity=quantity)
                response = admitted.run(lambda: view(*args, **kwargs))
            except ProblemError as error:
                return render_problem(request, error)
            for name, value in admitted.headers.items():
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
        view.headers.update(admit(request, event_type=event_type, quantity=quantity).headers)
        return True


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may pass: the rate-limit headers of its response, and how its view is run."""

    headers: dict[str, str]

    def run(self, view: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        """Return the view's response. The request was counted."""
        return view()


@dataclass(frozen=True, slots=True)
class AdmittedForNow(Admitted):
    """A request whose quota is held while its view runs."""

    held: "HeldRequest"

    def run(self, view: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        """Return the view's response, after the request was counted, or released if the view failed."""
        has_failed = True
        try:
            response = view()
            has_failed = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        except (APIException, ProblemError) as error:
            # What a view raises to refuse a request is a response of REST framework, not a failure.
            status = error.status if isinstance(error, ProblemError) else error.status_code
            has_failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        except (Http404, PermissionDenied):
            has_failed = False
            raise
        finally:
            self.held.end(has_failed=has_failed)
        return response


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """The reservation of one request."""

    principal: Principal
    tenant: TenantFacts
    event: ParsedEvent
    reservation_id: UUID

    def end(self, *, has_failed: bool) -> None:
        """Release the reservation, or commit it. A request that took longer than an hour is reported instead."""
        as_of, reservation_id = timezone.now(), self.reservation_id
        principal, tenant = self.principal, self.tenant
        with way_in(WayIn.INGEST):
            if has_failed:
                with suppress(StoreUnavailableError):  # then it releases itself when it expires
                    release_reservation(principal=principal, tenant=tenant, reservation_id=reservation_id, as_of=as_of)
                return
            try:
                commit_reservation(
                    principal=principal, tenant=tenant, reservation_id=reservation_id, quantity=None, as_of=as_of
                )
            except ReservationEndedError:
                ingest_and_count(principal=principal, tenant=tenant, events=[self.event], as_of=as_of)


def admit(request: Request, *, event_type: str, quantity: Quantity) -> Admitted:
    """Authorize and count a request; return the rate-limit headers of its response.

    Raises 401, 402, 403 or 429, for service keys also 404 and 422, and 503 if a store is down.
    """
    as_of = timezone.now()
    principal, tenant, event = _announced(request, event_type, quantity, as_of)
    with way_in(WayIn.INGEST):
        decision = authorize(principal=principal, tenant=tenant, event=event, as_of=as_of).decision
    if not decision.is_allowed:
        raise refusal_error(decision, as_of)
    return Admitted(rate_limit_headers(decision.limits, as_of))


def reserve_for(request: Request, *, event_type: str, quantity: Quantity) -> Admitted:
    """Hold the quota of a request for as long as its view may run. Raises what `admit` raises."""
    as_of = timezone.now()
    principal, tenant, event = _announced(request, event_type, quantity, as_of)
    with way_in(WayIn.INGEST):
        reserved = reserve(
            principal=principal,
            tenant=tenant,
            event=event,
            expires_in_seconds=EXPIRES_IN_SECONDS_MAX,
            as_of=as_of,
        )
    if reserved.reservation is None:
        raise refusal_error(reserved.decision, as_of)
    held = HeldRequest(principal, tenant, event, reserved.reservation.id)
    return AdmittedForNow(rate_limit_headers(reserved.decision.limits, as_of), held)


def _announced(
    request: Request, event_type: str, quantity: Quantity, as_of: datetime
) -> tuple[Principal, TenantFacts, ParsedEvent]:
    """Return the caller, the tenant, and the event that the request would be."""
    principal = principal_of(request)
    tenant = tenant_of(request)
    require_active(tenant)
    event = _event_of(request, tenant, event_type, quantity(request) if callable(quantity) else quantity, as_of)
    return principal, tenant, event


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
