"""The page of usage by meter, period and group: a chart, tables, cost, CSV, and the API call for the same data."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.domain.numbers import shortened
from accounts.domain.roles import Capability
from billing.domain.invoicing.lines import USAGE
from billing.selectors.invoicing.invoices import issued_invoice
from billing.selectors.invoicing.line_events import line_at
from metering.api.csv_renderer import Table, write_csv
from metering.domain.periods import Span
from metering.domain.windows import window_starts
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.models import Meter
from metering.selectors.catalog import meter_rules
from metering.selectors.limits import tenant_limits
from metering.selectors.usage_query import API_KEY, UsageRow, query_usage
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.usage import Show, UsageForm, UsageRequest, WantedLine
from portal.periods import OF_LINE, Calendar
from portal.refusals import refusals_of
from portal.usage_page import Delta, included_of, lines_of_chart, parts_of, window_url, windows_of
from portal.usage_reading import names_of_keys, question_of, read_usage, rows_of_cost
from portal.usage_table import UsageTable, UsageTotals, chart_of, running, usage_table
from portal.used_up import used_up_quotas_of

ROWS_ON_A_PAGE: Final = 62
_POSITION_MAX: Final = 10**6


class Labels(NamedTuple):
    """What quantities and groups are called: the unit, and names of keys by their ids."""

    unit: str
    names: Mapping[str, str]


@tenant_page("usage")
def usage(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the page, or only its results for htmx."""
    meters = {meter.code: meter for meter in Meter.objects.order_by("code")}
    form = _form(request, portal, {code: meter.name for code, meter in meters.items()})
    context: dict[str, object] = {"portal": portal, "form": form}
    if form.is_valid():
        wanted = form.usage_request()
        context |= _results(request, portal, form, wanted, meters[wanted.meter.code])
    if not request.htmx or request.htmx.boosted:
        return render(request, "portal/usage.html", context | {"used_up": used_up_quotas_of(portal)})
    # The lists of groups are the chosen meter's: they are replaced beside the results.
    context["groups"] = [form[name].as_widget(attrs={"hx-swap-oob": "true"}) for name in ("group_by", "then_by")]
    return render(request, "portal/usage_results.html", context)


@tenant_page("usage")
def usage_csv(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Return the same usage as CSV, a row for each window and group that has usage."""
    form = _form(request, portal, {})
    if not form.is_valid():
        refused = [str(error) for errors in form.errors.values() for error in errors]
        return HttpResponse("\n".join(refused), status=422, content_type="text/plain")
    wanted = form.usage_request()
    try:
        table = _csv_table(portal, wanted)
    except (EventsDeletedError, QueryTooLargeError) as error:
        return HttpResponse(error.detail, status=422, content_type="text/plain")
    content = write_csv(*table, has_bom=request.GET.get("bom") == "1")
    response = HttpResponse(content, content_type="text/csv; charset=utf-8")
    name = f"{portal.tenant.slug}-{wanted.meter.code}-{wanted.span.start:%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def calendar_of(portal: Portal) -> Calendar:
    """Return the tenant's days and billing periods."""
    return Calendar(portal.ledger(is_live=True), portal.standing.subscription, portal.as_of)


def _form(request: SignedInRequest, portal: Portal, names: Mapping[str, str]) -> UsageForm:
    return UsageForm(
        request.GET,
        calendar=calendar_of(portal),
        rules=meter_rules(),
        names=names,
        line=_line(request, portal),
        may_see_cost=portal.may[Capability.MANAGE_BILLING],
    )


def _line(request: HttpRequest, portal: Portal) -> WantedLine | None:
    """Return the invoice line whose usage is asked for, of members who may see invoices. Raises `NotFoundError`."""
    number, position = request.GET.get("invoice", ""), request.GET.get("line", "")
    is_asked = request.GET.get("period") == OF_LINE and portal.may[Capability.MANAGE_BILLING]
    if not is_asked or not position.isdecimal() or int(position) > _POSITION_MAX:
        return None
    invoice = issued_invoice(tenant_id=portal.tenant.pk, number=number)
    line = line_at(invoice=invoice, position=int(position))
    if line.kind != USAGE or line.meter_id is None or line.events is None:
        return None
    span = Span(line.period_start, line.period_end)
    counted = line.quantity, line.events, line.amount_minor
    return WantedLine(number, line.position, line.meter_id, span, *counted, invoice.currency, invoice.computed_at)


def _results(
    request: SignedInRequest, portal: Portal, form: UsageForm, wanted: UsageRequest, meter: Meter
) -> dict[str, object]:
    try:
        read = read_usage(portal, wanted)
    except (EventsDeletedError, QueryTooLargeError) as error:
        return {"refusal": error.detail, "wanted": wanted}
    names = names_of_keys(portal, read.rows) if API_KEY in wanted.group_by else {}
    labels = Labels(meter.unit, names)
    table = _table(portal, wanted, read.rows, read.totals, labels=labels)
    borders, quotas = form.calendar.borders(wanted.span), tenant_limits(portal.tenant.pk).quotas
    query, zone = request.GET.copy(), form.calendar.zone
    events_url = reverse("portal:events", args=[portal.tenant.slug])
    links = [window_url(wanted, row.start, query=query, zone=zone, events_url=events_url) for row in table.rows]
    windows = windows_of(wanted, table, read, borders=borders, query=query, zone=zone, events_url=events_url)
    parts, parts_left = parts_of(wanted, read, names, meter.unit) if wanted.group_by else ([], 0)
    is_sum = wanted.show is Show.RUNNING
    drawn, unit = table, meter.unit
    if wanted.show is Show.COST and read.costs is not None and read.totals is None:
        drawn, unit = _table(portal, wanted, rows_of_cost(read), None, labels=labels), read.costs.currency
    elif is_sum and table.adds_up:
        drawn = running(table)
    is_pale = wanted.show is Show.UNITS and not wanted.group_by
    return {
        "meter": meter,
        "wanted": wanted,
        "read": read,
        "table": table,
        "windows": windows,
        "page": Paginator(windows, ROWS_ON_A_PAGE).get_page(request.GET.get("page")),
        "parts": parts,
        "parts_left": parts_left,
        "parts_name": " and ".join(_label(form, name) for name in wanted.group_by),
        "delta": None if read.before_total is None else Delta.of(table.total, read.before_total),
        "chart": chart_of(
            drawn,
            unit=unit,
            kind="line" if is_sum else "bar",
            before=read.before[: len(table.rows)] if is_pale else (),
            lines=lines_of_chart(wanted, read, quotas) if is_sum and not wanted.group_by else (),
            borders=borders,
            links=links,
        ),
        "included": next(iter(included_of(read)), None),
        "events": sum(row.events for row in read.rows),
        "api_call": _api_call(wanted),
        "query": request.GET.urlencode(),
        "shows": _shows(request, form),
        "refusals": refusals_of(portal, wanted.span) if wanted.is_live else None,
    }  # fmt: skip


def _label(form: UsageForm, name: str) -> str:
    labels = dict(form.fields["group_by"].choices)  # type: ignore[attr-defined]
    return str(labels.get(name, name))


def _shows(request: HttpRequest, form: UsageForm) -> list[tuple[str, str, bool]]:
    """Return the address, the name and whether it is shown of each view of the same question."""
    chosen = form.cleaned_data["show"]
    shows = []
    for value, name in form.fields["show"].choices:  # type: ignore[attr-defined]
        query = request.GET.copy()
        query.pop("page", None)
        query["show"] = value
        shows.append((f"?{query.urlencode()}", name, value == chosen))
    return shows


def _table(
    portal: Portal, wanted: UsageRequest, rows: list[UsageRow], totals: UsageTotals | None, *, labels: Labels
) -> UsageTable:
    zone = portal.tenant.time_zone
    starts = window_starts(wanted.window, wanted.span, zone)
    return usage_table(
        usage=rows,
        starts=[start for start in starts if start <= portal.as_of],
        window=wanted.window,
        time_zone=zone,
        group_by=wanted.group_by,
        unit=labels.unit,
        names=labels.names,
        totals=totals,
    )


def _api_call(wanted: UsageRequest) -> str:
    """Return the query as a command for the API; the kind of the key decides the ledger."""
    asked = {
        "meter": wanted.meter.code,
        "start": f"{wanted.span.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{wanted.span.end:%Y-%m-%dT%H:%M:%SZ}",
        "window": wanted.window.value,
        **({"group_by": ",".join(wanted.group_by)} if wanted.group_by else {}),
    }
    key = "COUNTINGHOUSE_KEY" if wanted.is_live else "COUNTINGHOUSE_TEST_KEY"
    return (
        f'curl "{settings.PUBLIC_URL}/api/v1/usage/query?{urlencode(asked, safe=":,")}" \\\n  -H "Authorization: '
        f'Bearer ${key}"'
    )


def _csv_table(portal: Portal, wanted: UsageRequest) -> Table:
    """Return the columns and rows. A quotient is shown as on the page; what is counted or added up is exact.

    With the view of costs there is a column of amounts in minor units more.
    """
    if wanted.show is Show.COST or wanted.line is not None:
        read = read_usage(portal, wanted)
        rows, costs = read.rows, read.costs if read.totals is None else None
    else:
        ledger = portal.ledger(is_live=wanted.is_live)
        rows, costs = query_usage(ledger=ledger, question=question_of(wanted, portal.as_of)), None
    shown = shortened if wanted.meter.aggregation.quotient is not None else Decimal
    columns = ["window_start", *wanted.group_by, "quantity", "events"]
    cells = [
        [row.window_start, *(row.group.get(name) for name in wanted.group_by), shown(row.quantity), row.events]
        for row in rows
    ]
    if costs is None or costs.problem:
        return columns, cells
    priced = zip(cells, costs.amounts_minor, strict=True)
    return [*columns, "amount_minor", "currency"], [[*row, minor, costs.currency] for row, minor in priced]
