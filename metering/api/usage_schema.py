"""The schemas of usage responses, for the OpenAPI document only: no response passes through them."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from accounts.api.schema import TENANT_PARAMETER, problems
from metering.domain.forecasting import ForecastMethod

INTERVAL_HELP: Final = "It has 80 of 100 months; null if too little is known."


def quantity_field() -> serializers.DecimalField:
    """Return the field of a quantity, as a decimal string."""
    return serializers.DecimalField(max_digits=65, decimal_places=30, help_text="A decimal number as a string.")


class PeriodSchema(serializers.Serializer[Any]):
    """A span of time: `start` is part of it, `end` is not."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class MeterMonthSchema(serializers.Serializer[Any]):
    """One meter's month."""

    meter = serializers.CharField()
    unit = serializers.CharField()
    quantity = quantity_field()
    limit = serializers.DecimalField(
        max_digits=20, decimal_places=9, allow_null=True, help_text="The usage plan's monthly quota."
    )
    percent = serializers.DecimalField(
        max_digits=65, decimal_places=2, allow_null=True, help_text="How much of the limit is used."
    )
    forecast = serializers.DecimalField(
        max_digits=65, decimal_places=30, help_text="The usage that is expected of the whole month."
    )
    forecast_low = serializers.DecimalField(
        max_digits=65, decimal_places=30, allow_null=True, help_text=f"The lower end of the interval. {INTERVAL_HELP}"
    )
    forecast_high = serializers.DecimalField(
        max_digits=65, decimal_places=30, allow_null=True, help_text=f"The upper end of the interval. {INTERVAL_HELP}"
    )
    forecast_method = serializers.ChoiceField(choices=[method.value for method in ForecastMethod])


class KeyUsageSchema(serializers.Serializer[Any]):
    """One key's usage of `api_requests`."""

    api_key = serializers.UUIDField(allow_null=True, help_text="Null for events that no key sent.")
    quantity = quantity_field()


class MonthlySchema(serializers.Serializer[Any]):
    """A month of the tenant's time zone."""

    period = PeriodSchema()
    meters = MeterMonthSchema(many=True)
    keys = KeyUsageSchema(many=True)
    busiest_day = serializers.DateField(allow_null=True)


class DaySchema(serializers.Serializer[Any]):
    """One day."""

    date = serializers.DateField()
    quantity = quantity_field()
    events = serializers.IntegerField()


class HourSchema(serializers.Serializer[Any]):
    """One hour of UTC."""

    window_start = serializers.DateTimeField()
    quantity = quantity_field()


class GroupedSchema(serializers.Serializer[Any]):
    """The usage of a group in a window."""

    window_start = serializers.DateTimeField()
    group = serializers.DictField(child=serializers.CharField(allow_null=True))
    quantity = quantity_field()
    other = serializers.BooleanField(
        required=False, help_text="Only with `top`: whether it is the row of all other groups, whose values are null."
    )


# Set here, since a serializer has an attribute `data` of its own.
DAILY: Final = inline_serializer("Daily", {"meter": serializers.CharField(), "data": DaySchema(many=True)})
REALTIME: Final = inline_serializer("Realtime", {"meter": serializers.CharField(), "data": HourSchema(many=True)})
QUERY: Final = inline_serializer("Query", {"data": GroupedSchema(many=True)})


def usage_responses(form: type[serializers.Serializer[Any]] | serializers.Serializer[Any]) -> dict[Any, Any]:
    """Return the responses of a call: JSON, CSV, NDJSON and problems."""
    return {
        (200, "application/json"): form,
        (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="The same as a table."),
        (200, "application/x-ndjson"): OpenApiResponse(OpenApiTypes.STR, description="A line of JSON for each row."),
        **problems(404, 410, 422),
    }


def query_parameter(name: str, description: str, kind: Any = str) -> OpenApiParameter:
    """Return an optional query parameter."""
    return OpenApiParameter(name, kind, description=description)


TENANT: Final = TENANT_PARAMETER
