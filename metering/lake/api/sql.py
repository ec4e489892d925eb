"""`POST /usage/sql`: one SELECT over the tenant's own rows."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import principal_of
from accounts.api.fields import InstantField, StrictSerializer, TextField
from accounts.api.parsers import body_object
from accounts.api.renderers import ExactJSONRenderer
from accounts.api.schema import BODY_STATUSES, TENANT_PARAMETER, problems
from accounts.api.tenancy import tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from metering.api.csv_renderer import CsvRenderer, Table
from metering.api.parameters import require_span
from metering.lake.domain.questions import CUSTOMER_BOUNDS, QUERY_CHARACTERS_MAX, Range
from metering.lake.services.querying import query_as_tenant
from metering.selectors.limits import ledger_of


class SqlInput(StrictSerializer):
    """A query, and the span of time of the rows that it is about."""

    query = TextField(
        max_length=QUERY_CHARACTERS_MAX,
        help_text="One SELECT of DuckDB's SQL over `events`, `usage_hour`, `usage_day` and `invoice_lines`.",
    )
    start = InstantField(required=False, help_text="Only rows from this time on are read.")
    end = InstantField(required=False, help_text="Only rows from before this time are read.")
    tenant = serializers.SlugField(required=False, help_text="The tenant's slug. Only with a service key.")


class SqlColumnSchema(serializers.Serializer[Any]):
    """A column of the answer."""

    name = serializers.CharField()
    type = serializers.CharField(help_text="The type in DuckDB, such as `DECIMAL(38,9)`.")


# The rows: a list of values each, in the order of the columns. Set here, since a serializer has a `data` of its own.
SQL: Final = inline_serializer(
    "Sql",
    {
        "columns": SqlColumnSchema(many=True),
        "data": serializers.ListField(
            child=serializers.ListField(child=serializers.JSONField()),
            help_text="Whole numbers of up to 64 bits are numbers, all other numbers and all times are strings.",
        ),
        "truncated": serializers.BooleanField(
            help_text=f"Whether there were more than {CUSTOMER_BOUNDS.rows_max} rows."
        ),
        "rows_read": serializers.DictField(
            child=serializers.IntegerField(), help_text="How many rows of each table were read."
        ),
    },
)


class UsageSqlView(ApiView):
    """`POST /usage/sql`."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_READ}
    renderer_classes = [ExactJSONRenderer, CsvRenderer]
    has_bom = False

    @extend_schema(
        operation_id="run_usage_sql",
        summary="Run SQL over your own rows",
        parameters=[TENANT_PARAMETER],
        request=SqlInput,
        responses={
            (200, "application/json"): SQL,
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="The same as a table."),
            **problems(*BODY_STATUSES, 404, 410),
        },
        tags=["Usage"],
    )
    def post(self, request: Request) -> Response:
        """Run one SELECT over the tenant's own events, usage and invoice lines.

        A live key sees the live half of the ledger, a test key the test half. `invoice_lines` needs the scope
        `billing:read`, too. The answer is complete up to the moment of the request.
        """
        given = SqlInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        values, principal = given.validated_data, principal_of(request)
        span = Range(values.get("start"), values.get("end"))
        require_span(span.start, span.end)
        ledger = ledger_of(principal, tenant_of(request, values.get("tenant")))
        answer = query_as_tenant(values["query"], ledger=ledger, scopes=principal.scopes, span=span)
        return Response(
            {
                "columns": [{"name": column.name, "type": column.kind} for column in answer.columns],
                "data": answer.rows,
                "truncated": answer.is_truncated,
                "rows_read": dict(answer.rows_read),
            }
        )

    def csv_table(self, data: Mapping[str, Any]) -> Table:
        """Return the rows below the names of their columns."""
        return [column["name"] for column in data["columns"]], data["data"]
