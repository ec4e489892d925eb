"""The decorator and the permission on an adopter's own views, Django's and REST framework's."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import api_view, permission_classes
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.errors import StoreUnavailableError
from accounts.models import Tenant
from metering.api.metered import MeteredPermission, metered
from metering.models import Event, Reservation
from tests.metering.api.conftest import Api
from tests.metering.services.limits.limit_world import put_on_plan, quota_of

pytestmark = pytest.mark.urls(__name__)


@metered()
def plain(request: HttpRequest, number: int = 0) -> HttpResponse:
    return HttpResponse(f"{number} for {request.auth.prefix}")  # type: ignore[attr-defined] # the decorator sets it


class PlainClass(View):
    @metered()
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.method)


@csrf_exempt
@metered(quantity=lambda request: Decimal(request.query_params["n"]))
def measured(request: HttpRequest) -> HttpResponse:
    return HttpResponse("measured")


@metered("nothing_known")
def misnamed(request: HttpRequest) -> HttpResponse:
    return HttpResponse("never")


@metered()
def failing(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=418)


@api_view(["GET"])
@permission_classes([])
@metered()
def rest(request: Request) -> Response:
    return Response({"path": request.path})


class RestClass(APIView):
    permission_classes = [MeteredPermission]
    metered_quantity = 2

    def get(self, request: Request) -> Response:
        return Response({"path": request.path})

    def post(self, request: Request) -> Response:
        raise ValueError(f"our mistake at {request.path}")


urlpatterns = [
    path("orders/<int:number>", plain),
    path("plain", plain),
    path("class", PlainClass.as_view()),
    path("measured", measured),
    path("misnamed", misnamed),
    path("failing", failing),
    path("rest", rest),
    path("rest-class", RestClass.as_view()),
]


@pytest.fixture
def get(alice: Api) -> Callable[..., HttpResponse]:
    def request(address: str) -> HttpResponse:
        return Client().get(address, headers=alice.headers())  # type: ignore[return-value] # the test client's own subclass

    return request


def events(tenant: Tenant) -> list[tuple[Any, Any]]:
    rows = Event.objects.of_ledger(tenant.pk, is_live=True).order_by("received_at", "event_id")
    return [(row.properties["resource_path"], row.quantity) for row in rows]


@pytest.mark.parametrize("address", ["/plain", "/class", "/rest", "/rest-class", "/failing"])
def test_a_metered_view_has_its_limits_in_headers(get: Callable[..., HttpResponse], acme: Tenant, address: str) -> None:
    put_on_plan(acme, timezone.now(), quota_of("1"))
    response = get(address)
    assert response.status_code == (418 if address == "/failing" else 200)
    assert response["RateLimit"].startswith('"quota";r=0;t=')
    assert [where for where, _ in events(acme)] == [address]
    refused = get(address)
    assert refused.status_code == 429
    assert json.loads(refused.content)["code"] == "quota_exceeded"
    assert refused["Retry-After"]
    assert refused["RateLimit"].startswith('"quota";r=0;t=')
    assert len(events(acme)) == 1


def test_a_plain_metered_view_gets_its_caller(get: Callable[..., HttpResponse], alice: Api) -> None:
    assert get("/orders/7").content.decode() == f"7 for {alice.key.prefix}"


def test_all_addresses_of_one_resource_are_metered_as_one_path(get: Callable[..., HttpResponse], acme: Tenant) -> None:
    get("/orders/7")
    get("/orders/8")
    assert [where for where, _ in events(acme)] == ["/orders/<int:number>"] * 2


@pytest.mark.parametrize("address", ["/plain", "/rest", "/rest-class"])
def test_a_metered_view_refuses_callers_without_a_key(db: None, address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_the_quantity_may_come_from_the_request_and_is_validated(alice: Api, acme: Tenant) -> None:
    statuses = [Client().post(f"/measured?n={n}", headers=alice.headers()).status_code for n in ("2.5", "-1")]
    assert statuses == [200, 422]
    assert events(acme) == [("/measured", Decimal("2.5"))]


def test_a_permission_takes_the_quantity_that_the_view_names(get: Callable[..., HttpResponse], acme: Tenant) -> None:
    get("/rest-class")
    assert events(acme) == [("/rest-class", 2)]


def test_a_metered_view_that_fails_has_been_counted(alice: Api, acme: Tenant) -> None:
    with pytest.raises(ValueError, match="our mistake"):
        Client().post("/rest-class", headers=alice.headers())
    assert len(events(acme)) == 1


def test_an_options_request_is_not_metered(acme: Tenant) -> None:
    assert Client().options("/rest-class").status_code == 200
    assert events(acme) == []


def test_an_event_type_that_does_not_exist_is_our_mistake(get: Callable[..., HttpResponse]) -> None:
    with pytest.raises(ImproperlyConfigured, match="nothing_known"):
        get("/misnamed")


def test_the_decorator_is_refused_on_anything_but_a_view() -> None:
    with pytest.raises(ImproperlyConfigured):
        metered()(HttpResponse)()


# Requests whose view fails are not counted


@metered(refunds_failures=True)
def held_view(request: HttpRequest) -> HttpResponse:
    if "raises" in request.GET:
        raise ValueError("our mistake")
    if "gone" in request.GET:
        raise Http404
    if "hour" in request.GET:
        Reservation.objects.update(expires_at=timezone.now(), created_at=timezone.now() - timedelta(hours=1))
    return HttpResponse(status=int(request.GET.get("status", "200")))


@api_view(["GET"])
@permission_classes([])
@metered(refunds_failures=True)
def held_rest(request: Request) -> Response:
    if "invalid" in request.query_params:
        raise ValidationError("yours")
    if "raises" in request.query_params:
        raise StoreUnavailableError
    return Response()


urlpatterns += [path("held", held_view), path("held-rest", held_rest)]


@pytest.mark.parametrize(
    ("address", "status", "is_counted"),
    [
        ("/held", 200, True),
        ("/held?status=404", 404, True),
        ("/held?gone", 404, True),
        ("/held?status=500", 500, False),
        ("/held?status=503", 503, False),
        ("/held?raises", 500, False),
        ("/held?hour", 200, True),
        ("/held-rest", 200, True),
        ("/held-rest?invalid", 400, True),
        ("/held-rest?raises", 503, False),
    ],
)
def test_a_view_that_fails_is_not_counted_and_holds_nothing(
    alice: Api, acme: Tenant, address: str, status: int, *, is_counted: bool
) -> None:
    put_on_plan(acme, timezone.now(), quota_of("1"))
    response = Client(raise_request_exception=False).get(address, headers=alice.headers())
    assert response.status_code == status
    assert len(events(acme)) == int(is_counted)
    again = Client().get("/held", headers=alice.headers())
    assert again.status_code == (429 if is_counted else 200)


def test_a_held_request_beyond_the_quota_never_runs(alice: Api, acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), quota_of("0"))
    response = Client().get("/held?raises", headers=alice.headers())
    assert response.status_code == 429
    assert response["RateLimit"].startswith('"quota";r=0')
    assert Reservation.objects.count() == 0
