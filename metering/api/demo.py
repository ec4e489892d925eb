"""Three resources to try metering with. They use the decorator that an adopter's own views would use."""

import secrets
import string
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import principal_of
from accounts.api.parsers import body_bytes
from accounts.api.permissions import HasScope
from accounts.api.schema import BODY_STATUSES, TENANT_PARAMETER, problems
from accounts.api.views import ApiView
from metering.api.metered import metered
from metering.api.parameters import refuse

LENGTH_DEFAULT: Final = 7
LENGTH_MAX: Final = 1000
_ALPHABET: Final = string.ascii_letters + string.digits


def response_schema(name: str, field: str, kind: serializers.Field[Any, Any, Any, Any]) -> serializers.Serializer[Any]:
    """Return the schema of a demo's response."""
    return inline_serializer(
        name, {field: kind, "timestamp": serializers.DateTimeField(), "api_key_id": serializers.UUIDField()}
    )


class DemoView(ApiView):
    """A view that any valid key may call, whatever its scopes."""

    permission_classes = [HasScope]


class DemoExampleView(DemoView):
    """`GET /demo/example`."""

    @extend_schema(
        operation_id="retrieve_demo_example",
        summary="Retrieve a metered example",
        parameters=[TENANT_PARAMETER],
        responses={
            200: response_schema("DemoExample", "message", serializers.CharField()),
            **problems(402, 404, 422, 429),
        },
        tags=["Demo"],
    )
    @metered()
    def get(self, request: Request) -> Response:
        """Return a greeting."""
        return Response({"message": "Hello. This request was metered.", **_signature(request)})


class DemoDataView(DemoView):
    """`POST /demo/data`."""

    @extend_schema(
        operation_id="create_demo_data",
        summary="Create nothing and return the body",
        request=OpenApiTypes.ANY,
        parameters=[TENANT_PARAMETER],
        responses={
            200: response_schema("DemoData", "data", serializers.JSONField()),
            **problems(*BODY_STATUSES, 402, 404, 429),
        },
        tags=["Demo"],
    )
    @metered()
    def post(self, request: Request) -> Response:
        """Return the request's body unchanged."""
        _ = request.data
        body = body_bytes(request)
        return Response({"data": msgspec.Raw(body) if body else None, **_signature(request)})


class DemoRandomStringsView(DemoView):
    """`GET /demo/random/strings`."""

    @extend_schema(
        operation_id="retrieve_demo_random_string",
        summary="Retrieve a random string",
        parameters=[
            OpenApiParameter(
                "len", int, description=f"How many characters, 1 to {LENGTH_MAX}; {LENGTH_DEFAULT} by default."
            ),
            TENANT_PARAMETER,
        ],
        responses={
            200: response_schema("DemoString", "data", serializers.CharField()),
            **problems(402, 404, 422, 429),
        },
        tags=["Demo"],
    )
    @metered()
    def get(self, request: Request) -> Response:
        """Return random letters and digits."""
        length = length_of(request)
        return Response({"data": "".join(secrets.choice(_ALPHABET) for _ in range(length)), **_signature(request)})


def length_of(request: Request) -> int:
    """Read `len`. Raises 422."""
    text = request.query_params.get("len", str(LENGTH_DEFAULT))
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(LENGTH_MAX))
    if not is_number or not 1 <= int(text) <= LENGTH_MAX:
        refuse("len", "invalid_length", f"A whole number from 1 to {LENGTH_MAX}.")
    return int(text)


def _signature(request: Request) -> dict[str, datetime | UUID]:
    return {"timestamp": timezone.now(), "api_key_id": principal_of(request).key_id}
