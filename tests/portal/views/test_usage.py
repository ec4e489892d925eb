"""Usage on pages: the same numbers in table, chart, CSV and API call."""

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from uuid import UUID

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.windows import Window
from metering.models import Meter, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from metering.selectors.usage_query import UsageRow
from portal.usage_table import OTHERS, SERIES_MAX, chart_of, usage_table
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_key, make_meter, send
from tests.portal.conftest import NOW, Cast

HTMX = {"HX-Request": "true"}


def _requests(paths: Sequence[str], *, days_ago: int = 0) -> list[dict[str, object]]:
    at = (NOW - timedelta(days=days_ago)).isoformat()
    return [
        {
            "id": f"r-{days_ago}-{number}",
            "type": "http_request",
            "timestamp": at,
            "properties": {"resource_path": path, "response_length": 100, "status": 200},
        }
        for number, path in enumerate(paths)
    ]


def _csv(client: Client, query: str) -> list[dict[str, str]]:
    answer = client.get(f"/t/acme/usage.csv?{query}")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(answer.content.decode())))


def test_table_chart_and_csv_show_the_same_numbers(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme), _requests(["/a", "/a", "/b"]), as_of=NOW)
    send(ledger_of(cast.acme), _requests(["/b"], days_ago=3), as_of=NOW)

    context = alice.get("/t/acme/usage/?group_by=resource_path").context

    table = context["table"]
    assert dict(zip(table.series, table.totals, strict=True)) == {"/a": 2, "/b": 2}
    assert table.total == 4
    assert [row.cells for row in table.rows if row.total] == [(0, 1), (2, 1)]
    assert [series["values"][-1] for series in context["chart"]["series"]] == ["2", "1"]
    rows = _csv(alice, "group_by=resource_path")
    assert [(row["resource_path"], row["quantity"]) for row in rows] == [("/b", "1"), ("/a", "2"), ("/b", "1")]


def test_totals_of_a_meter_that_does_not_add_up_are_read_and_not_added(cast: Cast, alice: Client) -> None:
    make_meter("endpoints", "http_request", aggregation="unique", value_property="resource_path", dimensions=["status"])
    send(ledger_of(cast.acme), _requests(["/a", "/a", "/b"]), as_of=NOW)
    send(ledger_of(cast.acme), _requests(["/b", "/c"], days_ago=3), as_of=NOW)
    for group_by in ("", "status"):
        context = alice.get(f"/t/acme/usage/?meter=endpoints&group_by={group_by}").context
        table = context["table"]
        assert [row.total for row in table.rows if row.total] == [2, 2]
        assert (table.total, table.totals) == (3, (3,)), "/b came on both days"
        assert not context["chart"]["is_stacked"]


def test_groups_beyond_the_largest_are_counted_if_they_do_not_add_up(cast: Cast, alice: Client) -> None:
    make_meter("peak", "http_request", aggregation="max", value_property="n", dimensions=["resource_path"])
    sent = _requests([f"/{n}" for n in range(9)])
    for n, one in enumerate(sent):
        one["properties"] = {"resource_path": f"/{n}", "n": n}
    send(ledger_of(cast.acme), sent, as_of=NOW)
    page = alice.get("/t/acme/usage/?meter=peak&group_by=resource_path")
    table = page.context["table"]
    assert (table.series, table.more, table.total) == (tuple(f"/{n}" for n in range(8, 2, -1)), 3, 8)
    assert "3 smaller groups not shown" in page.content.decode()


def test_future_days_have_no_rows(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme), _requests(["/a"]), as_of=NOW)

    assert len(alice.get("/t/acme/usage/").context["table"].rows) == 10  # the 1st to the 10th of March


def test_usage_is_grouped_by_the_keys_names(cast: Cast, alice: Client) -> None:
    key, _ = make_key(cast.acme, name="Gateway")
    send(ledger_of(cast.acme), _requests(["/a"]), as_of=NOW, api_key_id=key.pk)

    assert alice.get("/t/acme/usage/?group_by=api_key").context["table"].series == (
        f"Gateway ({key.prefix}…{key.last_four})",
    )


def test_usage_by_a_key_of_the_operator_is_named_as_a_service_keys(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme), _requests(["/a"]), as_of=NOW, api_key_id=UUID(int=8))
    page = "/t/acme/usage/?group_by=api_key"

    assert alice.get(page).context["table"].series == ("Service key",)
    send(ledger_of(cast.acme), [_requests(["/a"])[0] | {"id": "other"}], as_of=NOW, api_key_id=UUID(int=7))
    assert set(alice.get(page).context["table"].series) == {"Service key 1", "Service key 2"}
    assert "Service key" in alice.get("/t/acme/events/").content.decode()
    assert "Service key" in alice.get("/t/acme/").content.decode()


def test_a_group_that_was_chosen_for_another_meter_is_dropped(cast: Cast, alice: Client) -> None:
    make_meter("peak", "http_request", aggregation="max", value_property="n", dimensions=[])
    send(ledger_of(cast.acme), _requests(["/a"]), as_of=NOW)

    page = alice.get("/t/acme/usage/?meter=peak&group_by=resource_path", headers=HTMX)
    assert page.context["wanted"].group_by == ()
    select = page.content.decode().partition('<select name="group_by"')[2].partition("</select>")[0]
    assert 'hx-swap-oob="true"' in select
    assert "resource_path" not in select


def test_usage_of_the_test_ledger_is_kept_apart(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme, is_live=False), _requests(["/a"]), as_of=NOW)

    assert alice.get("/t/acme/usage/").context["table"].total == 0
    assert alice.get("/t/acme/usage/?ledger=test").context["table"].total == 1


def test_another_tenants_usage_is_not_seen(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.rival), _requests(["/a"]), as_of=NOW)

    assert alice.get("/t/acme/usage/").context["table"].total == 0
    assert _csv(alice, "group_by=resource_path") == []


def test_a_value_in_the_csv_is_no_formula(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme), _requests(['=HYPERLINK("https://evil.example")']), as_of=NOW)

    assert _csv(alice, "group_by=resource_path")[0]["resource_path"].startswith("'=")


def test_the_api_call_shown_on_the_page_has_its_query(cast: Cast, alice: Client) -> None:
    call = alice.get("/t/acme/usage/?period=last_month&window=day&group_by=api_key").context["api_call"]

    # February in Paris
    assert "meter=api_requests&start=2026-01-31T23:00:00Z&end=2026-02-28T23:00:00Z&window=day&group_by=api_key" in call


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("meter=nonsense", "Choose one of the list."),
        ("window=hour&period=year", "more than 800 rows"),
        ("period=custom&start=2026-03-10&end=2026-03-01", "is before the first"),
        ("period=custom&start=2026-03-10", "Choose the first and the last day"),
        ("period=custom&start=0001-01-01&end=0001-01-02", "Choose another year"),
        ("period=custom&start=9999-12-30&end=9999-12-31", "Choose another year"),
        ("group_by=subject&period=year&window=month", "limited to 92 days"),
        ("group_by=password", "Choose one of the list."),
    ],
)
def test_an_invalid_usage_query_is_explained(query: str, refusal: str, cast: Cast, alice: Client) -> None:
    page = alice.get(f"/t/acme/usage/?{query}")

    assert page.status_code == 200
    assert refusal in page.content.decode()
    answer = alice.get(f"/t/acme/usage.csv?{query}")
    assert answer.status_code == 422
    assert refusal in answer.content.decode()


@pytest.mark.parametrize("period", ["this_month", "last_month", "7", "30", "90", "year"])
@pytest.mark.parametrize("window", ["day", "month"])
def test_every_period_can_be_shown(period: str, window: str, cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme), _requests(["/a"]), as_of=NOW)

    total = alice.get(f"/t/acme/usage/?period={period}&window={window}").context["table"].total

    assert total == (0 if period == "last_month" else 1)


def test_htmx_gets_the_results_without_the_page(cast: Cast, alice: Client) -> None:
    assert b"<html" not in alice.get("/t/acme/usage/", headers=HTMX).content


def test_a_period_without_usage_says_so(cast: Cast, alice: Client) -> None:
    assert b"No usage in this period" in alice.get("/t/acme/usage/").content


def test_long_tables_are_paged(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme), _requests(["/a"]), as_of=NOW)

    first = alice.get("/t/acme/usage/?period=90")
    assert len(first.context["page"].object_list) == 62
    assert len(alice.get("/t/acme/usage/?period=90&page=2").context["page"].object_list) == 28
    assert "?period=90&amp;page=2" in first.content.decode()


def test_the_overview_shows_usage_against_quota_and_what_the_month_will_come_to(cast: Cast, alice: Client) -> None:
    plan = UsagePlan.objects.create(code="small", name="Small", created_at=LONG_AGO)
    meter = Meter.objects.get(code="api_requests")
    UsagePlanQuota.objects.create(usage_plan=plan, meter=meter, period="month", limit=Decimal(10))
    UsagePlanAssignment.objects.create(tenant=cast.acme, usage_plan=plan, assigned_at=NOW)
    key, _ = make_key(cast.acme, name="Gateway")
    send(ledger_of(cast.acme), _requests(["/a"] * 8), as_of=NOW, api_key_id=key.pk)

    answer = alice.get("/t/acme/")

    bar = answer.context["bars"][0]
    assert (bar.usage.meter, bar.percent, bar.forecast_percent, bar.level) == ("api_requests", 80, 100, "warn")
    assert answer.context["today"] == answer.context["total"] == 8
    assert answer.context["busiest"].title == "Tue 10 Mar 2026"
    assert [(key_bar.label, key_bar.quantity, key_bar.percent) for key_bar in answer.context["keys"]] == [
        (f"Gateway ({key.prefix}…{key.last_four})", 8, 100)
    ]
    assert "80.00 % of a" in answer.content.decode()


def test_a_quota_of_a_day_is_shown_with_what_was_used_today(cast: Cast, alice: Client) -> None:
    plan = UsagePlan.objects.create(code="daily", name="Daily", throttle_rate=5, throttle_burst=9, created_at=LONG_AGO)
    meter = Meter.objects.get(code="api_requests")
    UsagePlanQuota.objects.create(usage_plan=plan, meter=meter, period="day", limit=Decimal(2), is_hard=False)
    UsagePlanAssignment.objects.create(tenant=cast.acme, usage_plan=plan, assigned_at=NOW)
    send(ledger_of(cast.acme), _requests(["/a"], days_ago=1), as_of=NOW)
    send(ledger_of(cast.acme), _requests(["/a"] * 2), as_of=NOW)

    page = alice.get("/t/acme/")

    assert [(bar.used, bar.percent, bar.level) for bar in page.context["quota_bars"]] == [(2, 100, "danger")]
    assert "5 requests a second, 9 at once" in page.content.decode()
    assert alice.get("/t/acme/?month=2026-02").context["quota_bars"] == []


def test_the_overview_goes_back_by_months_and_not_into_the_future(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme), _requests(["/a"], days_ago=20), as_of=NOW)

    february = alice.get("/t/acme/?month=2026-02")
    assert february.context["total"] == 1
    assert "Projected" not in february.content.decode()
    for query in ("month=9999-12", "month=0001-01", "month=nonsense", "period=custom&start=x&end=y", "period=custom"):
        page = alice.get(f"/t/acme/?{query}")
        assert page.context["span"].contains(NOW), query
    assert "From: Choose the first and the last day. The current billing period is shown." in page.content.decode()


def test_a_new_tenants_overview_leads_to_the_first_steps(cast: Cast, alice: Client) -> None:
    page = alice.get("/t/acme/").content.decode()

    assert "No usage in this period yet" in page
    assert "/t/acme/first-steps/" in page


START = datetime(2026, 3, 1, tzinfo=UTC)
USAGE = st.lists(
    st.builds(
        UsageRow,
        window_start=st.integers(0, 4).map(lambda day: START + timedelta(days=day)),
        group=st.one_of(st.none(), st.sampled_from([f"/{number}" for number in range(12)])).map(
            lambda path: {"path": path}
        ),
        quantity=st.decimals(0, 10**12, places=3),
        events=st.just(1),
    ),
    max_size=60,
)


@given(USAGE)
def test_a_table_adds_up_with_the_rest_folded_into_others(usage: list[UsageRow]) -> None:
    starts = [START + timedelta(days=day) for day in range(5)]

    table = usage_table(
        usage=usage,
        starts=starts,
        window=Window.DAY,
        time_zone="UTC",
        group_by=("path",),
        unit="calls",
        names={},
    )

    assert table.total == sum((row.quantity for row in usage), Decimal(0))
    assert table.total == sum((row.total for row in table.rows), Decimal(0))
    assert all(row.total == sum(row.cells, Decimal(0)) for row in table.rows)
    assert len(table.series) <= SERIES_MAX
    assert (OTHERS in table.series) == (len({row.group["path"] for row in usage}) > SERIES_MAX)
    drawn = json.loads(json.dumps(chart_of(table, unit="calls")))
    assert [Decimal(value) for value in drawn["series"][0]["values"]] == [row.cells[0] for row in table.rows]
