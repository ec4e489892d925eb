"""What drf-spectacular cannot find out by itself: how calls are authenticated, and what errors look like."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

DESCRIPTIONS: Final = {
    400: "The body is not JSON, or not of the form.",
    401: "No key, or one that is not valid.",
    402: "The tenant is suspended.",
    403: "The key lacks the scope, or may not be used from this address.",
    404: "Absent, or another tenant's.",
    409: "The request conflicts with what is stored, or one under the same Idempotency-Key is still running.",
    413: "Larger than 5 MiB.",
    415: "Another media type.",
    422: "Well-formed, but refused.",
    429: "Throttled, or over quota.",
    503: "A store is down; come back after Retry-After seconds.",
}


class FieldErrorSchema(serializers.Serializer[Any]):
    """One refused field."""

    pointer = serializers.CharField(help_text="JSON Pointer into the body, or the query parameter after a slash.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSchema(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors = FieldErrorSchema(many=True, required=False)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class


def problems(*statuses: int) -> dict[Any, OpenApiResponse]:
    """Return the error responses of a call, for `extend_schema(responses=…)`; 401 and 503 come with every call."""
    return {
        (status, "application/problem+json"): OpenApiResponse(ProblemSchema, description=DESCRIPTIONS[status])
        for status in sorted({401, 503, *statuses})
    }


IDEMPOTENCY_PARAMETER: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Up to 255 characters of your choice. The same key and body replays the first answer for 24 hours.",
)
TENANT_PARAMETER: Final = OpenApiParameter(
    "X-Tenant", str, OpenApiParameter.HEADER, description="Slug of the tenant; for service keys only."
)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # the base registers its subclasses
    """The two headers that carry a key."""

    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = ["bearer", "apiKey"]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:  # noqa: ARG002 - the base's signature
        """Return both schemes."""
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "ch_live_…"},
            {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        ]


class StaffSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # the base registers its subclasses
    """A member of staff in a browser."""

    target_class = "accounts.api.authentication.StaffSessionAuthentication"
    name = "staffSession"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # noqa: ARG002 - the base's signature
        """Return the cookie."""
        return {"type": "apiKey", "in": "cookie", "name": "session"}
