"""The parts of the OpenAPI document that drf-spectacular cannot derive: authentication and errors."""

from typing import Any, ClassVar, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from accounts.api.problems import CONTENT_TYPE

DESCRIPTIONS: Final = {
    400: "The body is not JSON or not of the right form, or the address or a header cannot be read.",
    401: "The API key is missing or invalid.",
    402: "The tenant is suspended.",
    403: "The key lacks the scope, or may not be used from this address.",
    404: "Not found, or it belongs to another tenant.",
    406: "No media type in Accept is available.",
    409: "The request conflicts with what is stored, or one under the same Idempotency-Key is still running.",
    410: "The raw events of that time were deleted.",
    411: "The server cannot find the end of the body: send a Content-Length.",
    413: "The body is too large: at most 5 MiB of events or access-log records, 64 KiB of anything else.",
    414: "The path with its query is longer than 16,384 characters.",
    415: "Unsupported media type.",
    422: "The body is well-formed, but its values are refused.",
    429: "Throttled, or over quota.",
    431: "The header lines are larger than 32,768 characters.",
    503: "A store is down; try again after Retry-After seconds.",
}


# Error statuses that every call may return.
STATUSES_OF_EVERY_CALL: Final = frozenset({400, 401, 403, 406, 414, 431, 503})


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
    errors_omitted = serializers.IntegerField(required=False, help_text="How many more there are than `errors` shows.")
    errors = FieldErrorSchema(many=True, required=False)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class


BODY_STATUSES: Final = (411, 413, 415, 422)


def problems(*statuses: int) -> dict[Any, OpenApiResponse]:
    """Return the error responses of a call, for `extend_schema(responses=…)`, with those that every call has."""
    return {
        (status, CONTENT_TYPE): OpenApiResponse(ProblemSchema, description=DESCRIPTIONS[status])
        for status in sorted(STATUSES_OF_EVERY_CALL.union(statuses))
    }


IDEMPOTENCY_PARAMETER: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Up to 255 characters of your choice. The same key and body replays the first response for 24 hours.",
)
TENANT_PARAMETER: Final = OpenApiParameter(
    "X-Tenant", str, OpenApiParameter.HEADER, description="Slug of the tenant; for service keys only."
)


SCANNER_PARAMETERS: Final = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, required=True, description=description)
    for name, description in (
        ("Github-Public-Key-Identifier", "Which of the scanner's public keys verifies the report."),
        ("Github-Public-Key-Signature", "ECDSA P-256 with SHA-256 over the body's bytes, DER in base64."),
    )
]


class QuantityFieldForms(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call] # the base registers its subclasses
    """A decimal string, and on input a number too."""

    target_class = "accounts.api.fields.QuantityField"
    other_form: ClassVar = {"type": "number"}

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        """Return the form of the field in a request or a response."""
        mapped: dict[str, Any] = auto_schema._map_serializer_field(  # type: ignore[no-untyped-call] # noqa: SLF001 - as drf-spectacular's own
            self.target, direction, bypass_extensions=True
        )
        if direction == "response":
            return mapped
        # What may be null, and the description, are added to the whole.
        text = {name: value for name, value in mapped.items() if name != "description"} | {"type": "string"}
        return {"oneOf": [text, self.other_form]}


class InstantFieldForms(QuantityFieldForms):  # type: ignore[no-untyped-call] # as above
    """RFC 3339, and on input epoch milliseconds too."""

    target_class = "accounts.api.fields.InstantField"
    other_form: ClassVar = {"type": "integer"}


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

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:  # noqa: ARG002 - the base's signature
        """Require one of the two headers."""
        return [{name: []} for name in self.name]


class StaffSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # the base registers its subclasses
    """A member of staff in a browser."""

    target_class = "accounts.api.authentication.StaffSessionAuthentication"
    name = "staffSession"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # noqa: ARG002 - the base's signature
        """Return the cookie."""
        return {"type": "apiKey", "in": "cookie", "name": "session"}
