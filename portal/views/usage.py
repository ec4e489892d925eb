"""The page of usage by meter, period and group: a chart, a table, CSV, and the API call for the same data."""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC
from io import StringIO
from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from accounts.domain.texts import without_formula
from accounts.selectors.directory import key_labels
from metering.domain.canonical import decimal_text
from metering.domain.windows import window_starts
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.models import Meter
from metering.selectors.catalog import meter_rules
from metering.selectors.usage_query import API_KEY, UsageQuestion, UsageRow, query_usage
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.usage import UsageForm, UsageRequest
from portal.usage_table import chart_of, usage_table

ROWS_ON_A_PAGE: Final = 62


@tenant_page("usage")
def usage(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the page, or only its results for htmx."""
    meters = {meter.code: meter for meter in Meter.objects.order_by("code")}
    form = _form(request, portal, {code: meter.name for code, meter in meters.items()})
    context: dict[str, object] = {"portal": portal, "form": form}
    if form.is_valid():
        wanted = form.usage_request()
        context |= _results(request, portal, wanted, meters[wanted.meter.code])
    template = "portal/usage_results.html" if request.htmx and not request.htmx.boosted else "portal/usage.html"
    return render(request, template, context)


@tenant_page("usage")
def usage_csv(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Return the same usage as CSV, a row for each window and group that has usage."""
    form = _form(request, portal, {})
    if not form.is_valid():
        refused = [str(error) for errors in form.errors.values() for error in errors]
        return HttpResponse("\n".join(refused), status=422, content_type="text/plain")
    wanted = form.usage_request()
    try:
        rows = query_usage(ledger=portal.ledger(is_live=wanted.is_live), question=_question(wanted))
    except (EventsDeletedError, QueryTooLargeError) as error:
        return HttpResponse(error.detail, status=422, content_type="text/plain")
    response = HttpResponse("".join(_csv_lines(wanted, rows)), content_type="text/csv; charset=utf-8")
    name = f"{portal.tenant.slug}-{wanted.meter.code}-{wanted.span.start:%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _form(request: SignedInRequest, portal: Portal, names: Mapping[str, str]) -> UsageForm:
    return UsageForm(
        request.GET, ledger=portal.ledger(is_live=True), rules=meter_rules(), names=names, as_of=portal.as_of
    )


def _question(wanted: UsageRequest) -> UsageQuestion:
    return UsageQuestion(
        meter=wanted.meter,
        span=wanted.span,
        window=wanted.window,
        group_by=(wanted.group_by,) if wanted.group_by else (),
    )


def _results(request: SignedInRequest, portal: Portal, wanted: UsageRequest, meter: Meter) -> dict[str, object]:
    ledger = portal.ledger(is_live=wanted.is_live)
    try:
        rows = query_usage(ledger=ledger, question=_question(wanted))
    except (EventsDeletedError, QueryTooLargeError) as error:
        return {"refusal": error.detail}
    names = (
        {str(key_id): str(label) for key_id, label in key_labels(tenant_id=portal.tenant.pk).items()}
        if wanted.group_by == API_KEY
        else {}
    )
    table = usage_table(
        usage=rows,
        starts=[
            start for start in window_starts(wanted.window, wanted.span, ledger.time_zone) if start <= portal.as_of
        ],
        window=wanted.window,
        time_zone=ledger.time_zone,
        group_by=wanted.group_by,
        unit=meter.unit,
        names=names,
        merge=wanted.meter.aggregation.merge,
    )
    return {
        "meter": meter,
        "wanted": wanted,
        "table": table,
        "page": Paginator(table.rows, ROWS_ON_A_PAGE).get_page(request.GET.get("page")),
        "chart": chart_of(table, unit=meter.unit),
        "events": sum(row.events for row in rows),
        "api_call": _api_call(wanted),
        "query": request.GET.urlencode(),
    }


def _api_call(wanted: UsageRequest) -> str:
    """Return the query as a command for the API; the kind of the key decides the ledger."""
    asked = {
        "meter": wanted.meter.code,
        "start": f"{wanted.span.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{wanted.span.end:%Y-%m-%dT%H:%M:%SZ}",
        "window": wanted.window.value,
        **({"group_by": wanted.group_by} if wanted.group_by else {}),
    }
    key = "COUNTINGHOUSE_KEY" if wanted.is_live else "COUNTINGHOUSE_TEST_KEY"
    return (
        f'curl "{settings.PUBLIC_URL}/api/v1/usage/query?{urlencode(asked, safe=":")}" \\\n  -H "Authorization: '
        f'Bearer ${key}"'
    )


def _csv_lines(wanted: UsageRequest, rows: list[UsageRow]) -> Iterator[str]:
    line = StringIO()
    writer = csv.writer(line)
    groups = [wanted.group_by] if wanted.group_by else []
    writer.writerow(["window_start", *groups, "quantity", "events"])
    for row in rows:
        values = [without_formula(row.group.get(name) or "") for name in groups]
        writer.writerow(
            [f"{row.window_start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", *values, decimal_text(row.quantity), row.events]
        )
    yield line.getvalue()
