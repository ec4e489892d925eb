"""`GET /usage/…`: how much was used.

Exact and current: every event acknowledged before the request is included.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Final

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.renderers import ExactJSONRenderer
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from metering.api.csv_renderer import CsvRenderer, Table
from metering.api.ledger_access import readable_ledger
from metering.api.ndjson_renderer import NdjsonRenderer
from metering.api.parameters import (
    API_KEY_PARAMETER,
    BOM_PARAMETER,
    METER_PARAMETER,
    api_key_of,
    day_of,
    flag_of,
    instant_of,
    meter_of,
    month_of,
    names_of,
    refuse,
    require_span,
    text_of,
)
from metering.api.usage_schema import (
    DAILY,
    QUERY,
    REALTIME,
    TENANT,
    MonthlySchema,
    query_parameter,
    usage_responses,
)
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Period, Span, local_day, span_of, start_of_day, start_of_hour
from metering.domain.texts import is_storable
from metering.domain.windows import Window
from metering.selectors.usage import MonthlyUsage, api_key_id_of, daily_usage, monthly_usage, realtime_usage
from metering.selectors.usage_query import (
    API_KEY,
    UsageQuestion,
    UsageRow,
    filled,
    largest_groups,
    names_kept_apart,
    query_usage,
)

DAYS_MAX: Final = 1100
DAYS_DEFAULT: Final = 30
# By window: a response with more windows is too large to be useful.
SPAN_MAX: Final[Mapping[Window, timedelta]] = {
    Window.HOUR: timedelta(days=93),
    Window.DAY: timedelta(days=DAYS_MAX),
    Window.MONTH: timedelta(days=3700),
}
GROUPS_MAX: Final = 5
TOP_MAX: Final = 100
FILTERS_MAX: Final = 10
FILTER_VALUES_MAX: Final = 50
_FILTER: Final = re.compile(r"filter\[(?P<name>[^\[\]]{1,100})\]")
_DAY: Final = timedelta(days=1)


class UsageView(ApiView):
    """The permissions and formats (JSON, CSV) that the four calls share."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}
    renderer_classes = [ExactJSONRenderer, CsvRenderer, NdjsonRenderer]
    csv_name = "usage"
    has_bom = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Read what only a CSV has."""
        super().initial(request, *args, **kwargs)
        self.has_bom = flag_of(request, "bom")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Set the file name of a CSV."""
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(getattr(answer, "accepted_renderer", None), CsvRenderer) and isinstance(answer, Response):
            answer["Content-Disposition"] = f'attachment; filename="{self.csv_name}.csv"'
        return answer

    def ndjson_rows(self, data: Mapping[str, Any]) -> list[dict[str, object]]:
        """Return each row, with the meter beside it if all are of one."""
        of_all = {"meter": data["meter"]} if "meter" in data else {}
        return [of_all | row for row in data["data"]]


class MonthlyUsageView(UsageView):
    """`GET /usage/monthly`."""

    csv_name = "usage-monthly"

    @extend_schema(
        operation_id="retrieve_monthly_usage",
        summary="Retrieve a month's usage",
        parameters=[
            query_parameter("month", "A month such as 2026-11; by default the current one."),
            BOM_PARAMETER,
            TENANT,
        ],
        responses=usage_responses(MonthlySchema),
        tags=["Usage"],
    )
    def get(self, request: Request) -> Response:
        """Return each meter's month against its limit, with a forecast, requests by key, and the busiest day."""
        ledger, as_of = readable_ledger(request), timezone.now()
        month = month_of(request, as_of, ledger.time_zone)
        return Response(monthly_body(monthly_usage(ledger=ledger, month=month, as_of=as_of)))

    def csv_table(self, data: Mapping[str, Any]) -> Table:
        """Return a row for each meter."""
        columns = (
            "meter", "unit", "quantity", "limit", "percent", "forecast", "forecast_low", "forecast_high",
            "forecast_method",
        )  # fmt: skip
        period = data["period"]
        rows = ([period["start"], period["end"], *(meter[name] for name in columns)] for meter in data["meters"])
        return ("period_start", "period_end", *columns), rows

    def ndjson_rows(self, data: Mapping[str, Any]) -> list[dict[str, object]]:
        """Return a row for each meter."""
        return [{"period": data["period"], **meter} for meter in data["meters"]]


class DailyUsageView(UsageView):
    """`GET /usage/daily`."""

    csv_name = "usage-daily"

    @extend_schema(
        operation_id="retrieve_daily_usage",
        summary="Retrieve usage by day",
        parameters=[
            query_parameter("start", f"The first day; by default {DAYS_DEFAULT} days before `end`.", OpenApiTypes.DATE),
            query_parameter("end", "The day after the last one; by default tomorrow.", OpenApiTypes.DATE),
            METER_PARAMETER,
            API_KEY_PARAMETER,
            BOM_PARAMETER,
            TENANT,
        ],
        responses=usage_responses(DAILY),
        tags=["Usage"],
    )
    def get(self, request: Request) -> Response:
        """Return a meter's usage by day of the tenant's time zone, days without usage included."""
        ledger, as_of = readable_ledger(request), timezone.now()
        start, end = _days_of(request, local_day(as_of, ledger.time_zone))
        meter, api_key_id = meter_of(request), api_key_of(request, ledger)
        days = daily_usage(ledger=ledger, meter=meter, start=start, end=end, until=as_of, api_key_id=api_key_id)
        data = [{"date": day.date, "quantity": day.quantity, "events": day.events} for day in days]
        return Response({"meter": meter.code, "data": data})

    def csv_table(self, data: Mapping[str, Any]) -> Table:
        """Return a row for each day."""
        rows = ((day["date"], data["meter"], day["quantity"], day["events"]) for day in data["data"])
        return ("date", "meter", "quantity", "events"), rows


class RealtimeUsageView(UsageView):
    """`GET /usage/realtime`."""

    csv_name = "usage-realtime"

    @extend_schema(
        operation_id="retrieve_realtime_usage",
        summary="Retrieve the usage of the last 24 hours",
        parameters=[METER_PARAMETER, API_KEY_PARAMETER, BOM_PARAMETER, TENANT],
        responses=usage_responses(REALTIME),
        tags=["Usage"],
    )
    def get(self, request: Request) -> Response:
        """Return a meter's usage in the last 24 hours of UTC, the current hour last."""
        ledger = readable_ledger(request)
        meter, api_key_id = meter_of(request), api_key_of(request, ledger)
        hours = realtime_usage(ledger=ledger, meter=meter, as_of=timezone.now(), api_key_id=api_key_id)
        data = [{"window_start": hour.window_start, "quantity": hour.quantity} for hour in hours]
        return Response({"meter": meter.code, "data": data})

    def csv_table(self, data: Mapping[str, Any]) -> Table:
        """Return a row for each hour."""
        rows = ((hour["window_start"], data["meter"], hour["quantity"]) for hour in data["data"])
        return ("window_start", "meter", "quantity"), rows


class QueryUsageView(UsageView):
    """`GET /usage/query`."""

    csv_name = "usage-query"

    @extend_schema(
        operation_id="query_usage",
        summary="Query usage by window and group",
        parameters=[
            METER_PARAMETER,
            query_parameter(
                "start", "A time, or a day of the tenant's time zone; by default the start of the current month."
            ),
            query_parameter(
                "end",
                "A time, or a day of the tenant's time zone, excluded; by default the end of the current window.",
            ),
            OpenApiParameter("window", str, enum=[window.value for window in Window], default=Window.DAY.value),
            query_parameter("group_by", "Any of `api_key`, `subject` and the meter's dimensions, separated by commas."),
            OpenApiParameter(
                "filter",
                {"type": "object", "additionalProperties": {"type": "string"}},
                style="deepObject",
                description="`filter[name]=value`, repeated for alternatives; names as for `group_by`.",
            ),
            BOM_PARAMETER,
            query_parameter(
                "top",
                f"With `group_by`: how many groups, 1 to {TOP_MAX}, those with the greatest quantity in the span. All"
                " others are one more row of each window, `other`.",
                int,
            ),
            query_parameter("fill", "With 1, windows without usage are returned too, with the quantity 0.", bool),
            TENANT,
        ],
        responses=usage_responses(QUERY),
        tags=["Usage"],
    )
    def get(self, request: Request) -> Response:
        """Return a meter's usage by window and group; windows without usage are left out, or filled with 0.

        With `top` the quantity of `other` is that of all other groups together, computed from their events: an
        additive meter's rows come to its total, and a maximum or a number of different values is that of the rest.
        """
        ledger = readable_ledger(request)
        question = question_of(request, ledger, timezone.now())
        top = _top_of(request, question)
        if top is not None:
            kept = largest_groups(ledger=ledger, question=question, number=top)
            question = replace(question, kept=kept)
        rows = query_usage(ledger=ledger, question=question)
        if flag_of(request, "fill"):
            rows = filled(rows, question=question, zone=ledger.time_zone)
        return Response({"data": [_row_body(row, has_other=top is not None) for row in rows]})

    def csv_table(self, data: Mapping[str, Any]) -> Table:
        """Return a row for each window and group."""
        names = names_of(self.request, "group_by")
        last = ("other", "quantity") if text_of(self.request, "top") else ("quantity",)
        rows = (
            (row["window_start"], *(row["group"][name] for name in names), *(row[name] for name in last))
            for row in data["data"]
        )
        return ("window_start", *names, *last), rows


def _row_body(row: UsageRow, *, has_other: bool) -> dict[str, object]:
    body: dict[str, object] = {"window_start": row.window_start, "group": row.group, "quantity": row.quantity}
    return body | {"other": row.is_other} if has_other else body


def monthly_body(usage: MonthlyUsage) -> dict[str, object]:
    """Return a month in the form of the contract."""
    return {
        "period": {"start": usage.period.start, "end": usage.period.end},
        "meters": [
            {
                "meter": meter.meter,
                "unit": meter.unit,
                "quantity": meter.quantity,
                "limit": meter.limit,
                "percent": meter.percent,
                "forecast": meter.forecast.quantity,
                "forecast_low": meter.forecast.low,
                "forecast_high": meter.forecast.high,
                "forecast_method": meter.forecast.method,
            }
            for meter in usage.meters
        ],
        "keys": [{"api_key": key.api_key_id, "quantity": key.quantity} for key in usage.keys],
        "busiest_day": usage.busiest_day,
    }


def question_of(request: Request, ledger: Ledger, as_of: datetime) -> UsageQuestion:
    """Read a query of usage. Raises 422 if it groups by a name that is not kept apart, or asks for too much."""
    meter = meter_of(request)
    window = _window_of(request)
    return UsageQuestion(
        meter=meter,
        span=_span_of(request, window, ledger.time_zone, as_of),
        window=window,
        group_by=_groups_of(request, meter),
        filters=_filters_of(request, meter, ledger),
        until=as_of,
    )


def _days_of(request: Request, today: date) -> tuple[date, date]:
    end = day_of(request, "end") or today + _DAY
    start = day_of(request, "start") or end - DAYS_DEFAULT * _DAY
    require_span(start, end)
    if (end - start).days > DAYS_MAX:
        refuse("start", "span_too_long", f"At most {DAYS_MAX} days at once.")
    return start, end


def _window_of(request: Request) -> Window:
    text = text_of(request, "window") or Window.DAY
    if text not in set(Window):
        refuse("window", "invalid_window", f"One of: {', '.join(Window)}.")
    return Window(text)


def _span_of(request: Request, window: Window, zone: str, as_of: datetime) -> Span:
    start = instant_of(request, "start", zone)
    end = instant_of(request, "end", zone)
    if start is None:
        start = span_of(Period.MONTH, as_of if end is None else min(as_of, end - timedelta(microseconds=1)), zone).start
    if end is None:
        end = max(start, as_of)
        end = (
            start_of_hour(end) + timedelta(hours=1)
            if window is Window.HOUR
            else start_of_day(local_day(end, zone) + _DAY, zone)
        )
    require_span(start, end)
    if end - start > SPAN_MAX[window]:
        refuse("start", "span_too_long", f"At most {SPAN_MAX[window].days} days at once by {window}.")
    return Span(start, end)


def _groups_of(request: Request, meter: MeterRule) -> tuple[str, ...]:
    names = names_of(request, "group_by")
    if len(names) > GROUPS_MAX:
        refuse("group_by", "too_many_groups", f"At most {GROUPS_MAX} names.")
    for name in names:
        _require_kept_apart("group_by", name, meter)
    return names


def _filters_of(request: Request, meter: MeterRule, ledger: Ledger) -> dict[str, list[str]]:
    filters: dict[str, list[str]] = {}
    for parameter in request.query_params:
        shape = _FILTER.fullmatch(parameter)
        if shape is None:
            if parameter.startswith("filter"):
                refuse("filter", "invalid_filter", "A filter is written as filter[name]=value.")
            continue
        name, values = shape["name"], request.query_params.getlist(parameter)
        _require_kept_apart("filter", name, meter)
        if len(values) > FILTER_VALUES_MAX or not all(is_storable(value) for value in values):
            refuse(
                "filter", "invalid_filter", f"At most {FILTER_VALUES_MAX} values, of characters that an event can have."
            )
        filters[name] = (
            [str(api_key_id_of(tenant_id=ledger.tenant_id, text=value)) for value in values]
            if name == API_KEY
            else values
        )
    if len(filters) > FILTERS_MAX:
        refuse("filter", "too_many_filters", f"At most {FILTERS_MAX} filters.")
    return filters


def _top_of(request: Request, question: UsageQuestion) -> int | None:
    """Return how many groups are asked for; None for all."""
    text = text_of(request, "top")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(TOP_MAX)) and 1 <= int(text) <= TOP_MAX):
        refuse("top", "invalid_top", f"A whole number from 1 to {TOP_MAX}.")
    if not question.group_by:
        refuse("top", "invalid_top", "The largest of which groups? Name them in `group_by`.")
    return int(text)


def _require_kept_apart(parameter: str, name: str, meter: MeterRule) -> None:
    names = names_kept_apart(meter)
    if name not in names:
        refuse(parameter, "unknown_dimension", f"{meter.code} is kept apart by: {', '.join(names)}.")
