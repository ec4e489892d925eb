"""`/operator/product-codes`: which event type the billing events of other systems become."""

from http import HTTPStatus
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of
from accounts.api.fields import StrictSerializer, TextField
from accounts.api.idempotency import idempotent
from accounts.api.operator import OperatorView
from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, problems
from metering.models import ProductCode
from metering.selectors.product_codes import product_code_named, product_codes_page
from metering.services.product_codes import create_product_code, delete_product_code, update_product_code


class ProductCodeChange(StrictSerializer):
    """Another event type for a product code."""

    event_type = TextField(max_length=100, help_text="The code of an event type.")


class ProductCodeInput(ProductCodeChange):
    """A product code and its event type."""

    code = TextField(max_length=100, help_text="The `ProductCode` of billing events.")


class ProductCodeSchema(serializers.Serializer[Any]):
    """A product code."""

    code = serializers.CharField()
    event_type = serializers.CharField()
    created_at = serializers.DateTimeField()


PAGE = inline_serializer(
    "ProductCodePage",
    {
        "data": ProductCodeSchema(many=True),
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
    },
)


def present_product_code(row: ProductCode) -> dict[str, object]:
    """Return what the operator sees of a product code."""
    return {"code": row.code, "event_type": row.event_type.code, "created_at": row.created_at}


class OperatorProductCodesView(OperatorView):
    """List and create product codes."""

    @extend_schema(
        operation_id="list_product_codes",
        tags=["Operations"],
        summary="List product codes",
        parameters=PAGE_PARAMETERS,
        responses={200: PAGE, **problems(422)},
    )
    def get(self, request: Request) -> Response:
        """List product codes, the newest first."""
        return Response(read_page(request, product_codes_page, present_product_code))

    @extend_schema(
        operation_id="create_product_code",
        tags=["Operations"],
        summary="Create a product code",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=ProductCodeInput,
        responses={201: ProductCodeSchema, **problems(*BODY_STATUSES, 409)},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Map a product code to an event type. Billing events may name it within a second."""
        given = ProductCodeInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        created = create_product_code(**given.validated_data, actor=actor_of(request), as_of=timezone.now())
        return Response(present_product_code(created), HTTPStatus.CREATED)


class OperatorProductCodeView(OperatorView):
    """Change and delete one product code."""

    @extend_schema(
        operation_id="update_product_code",
        tags=["Operations"],
        summary="Update the event type of a product code",
        request=ProductCodeChange,
        responses={200: ProductCodeSchema, **problems(*BODY_STATUSES, 404)},
    )
    def patch(self, request: Request, code: str) -> Response:
        """Map a product code to another event type. Events that are stored keep theirs."""
        given = ProductCodeChange(data=body_object(request))
        given.is_valid(raise_exception=True)
        changed = update_product_code(
            product_code=product_code_named(code),
            event_type=given.validated_data["event_type"],
            actor=actor_of(request),
            as_of=timezone.now(),
        )
        return Response(present_product_code(changed))

    @extend_schema(
        operation_id="delete_product_code",
        tags=["Operations"],
        summary="Delete a product code",
        responses={204: None, **problems(404)},
    )
    def delete(self, request: Request, code: str) -> Response:
        """Delete a mapping. Billing events that name the code are refused from then on."""
        delete_product_code(product_code=product_code_named(code), actor=actor_of(request), as_of=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)
