"""`GET /usage/…` as in the contract."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from accounts.domain.scopes import Scope
from accounts.models import Tenant
from metering.domain.ledger import Ledger
from metering.models import Meter, QuotaPeriod, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from tests.metering.api.conftest import Api, body_of, problem_of
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_key, make_meter, send

pytestmark = pytest.mark.django_db

# Acme's days are cut in India, at half past six in the evening of UTC.
IN_MARCH = datetime(2026, 3, 4, 18, 45, tzinfo=UTC)
PATHS = ["/usage/monthly", "/usage/daily", "/usage/realtime", "/usage/query"]


def requests(number: int, at: datetime = IN_MARCH, **properties: Any) -> list[dict[str, Any]]:
    properties = {"status": 200, "http_method": "GET", "resource_path": "/a", "response_length": 10} | properties
    return [
        {"id": f"{at}{properties}{n}", "type": "http_request", "timestamp": at, "properties": properties}
        for n in range(number)
    ]


def test_usage_of_a_month_has_the_contracts_form(alice: Api, acme: Tenant, acme_ledger: Ledger) -> None:
    plan = UsagePlan.objects.create(code="trial", name="Trial", created_at=LONG_AGO)
    meter = Meter.objects.get(code="api_requests")
    UsagePlanQuota.objects.create(usage_plan=plan, meter=meter, period=QuotaPeriod.MONTH, limit=8)
    UsagePlanAssignment.objects.create(tenant=acme, usage_plan=plan, assigned_at=LONG_AGO)
    send(acme_ledger, requests(3), as_of=IN_MARCH, api_key_id=alice.key.id)
    assert body_of(alice.get("/usage/monthly", {"month": "2026-03"})) == {
        "period": {"start": "2026-02-28T18:30:00Z", "end": "2026-03-31T18:30:00Z"},
        "meters": [
            {
                "meter": "api_bytes",
                "unit": "bytes",
                "quantity": "30",
                "limit": None,
                "percent": None,
                "forecast": "30",
                "forecast_low": "30",
                "forecast_high": "30",
                "forecast_method": "counted",
            },
            {
                "meter": "api_requests",
                "unit": "requests",
                "quantity": "3",
                "limit": "8",
                "percent": "37.5",
                "forecast": "3",
                "forecast_low": "3",
                "forecast_high": "3",
                "forecast_method": "counted",
            },
        ],
        "keys": [{"api_key": str(alice.key.id), "quantity": "3"}],
        "busiest_day": "2026-03-05",
    }


def test_usage_of_the_running_month_is_the_default(alice: Api, now: datetime) -> None:
    period = body_of(alice.get("/usage/monthly"))["period"]
    assert datetime.fromisoformat(period["start"]) <= now < datetime.fromisoformat(period["end"])


def test_the_running_month_has_a_forecast_with_its_interval(alice: Api, acme_ledger: Ledger, now: datetime) -> None:
    for day in range(1, 45):
        at = now - timedelta(days=day)
        send(acme_ledger, requests(2 + day % 7 // 5, at), as_of=at)
    found = body_of(alice.get("/usage/monthly"))["meters"][1]
    low, ahead, high = (int(found[name]) for name in ("forecast_low", "forecast", "forecast_high"))
    assert found["forecast_method"] == "seasonal"
    assert int(found["quantity"]) <= low <= ahead <= high


def test_days_are_filled_and_end_before_the_end(alice: Api, acme_ledger: Ledger) -> None:
    send(acme_ledger, requests(2), as_of=IN_MARCH)
    body = body_of(alice.get("/usage/daily", {"start": "2026-03-04", "end": "2026-03-07", "meter": "api_bytes"}))
    assert body == {
        "meter": "api_bytes",
        "data": [
            {"date": "2026-03-04", "quantity": "0", "events": 0},
            {"date": "2026-03-05", "quantity": "20", "events": 2},
            {"date": "2026-03-06", "quantity": "0", "events": 0},
        ],
    }
    assert len(body_of(alice.get("/usage/daily"))["data"]) == 30


def test_an_acknowledged_event_is_in_the_running_hour_at_once(alice: Api) -> None:
    for number in range(3):
        alice.post("/events", {"id": str(number), "type": "http_request"})
        for query in ({}, {"api_key": alice.key.prefix}):
            body = body_of(alice.get("/usage/realtime", query))
            assert (body["meter"], len(body["data"])) == ("api_requests", 24)
            assert sum(int(hour["quantity"]) for hour in body["data"]) == number + 1


def test_usage_is_returned_by_group_and_window(alice: Api, acme_ledger: Ledger) -> None:
    send(acme_ledger, requests(2) + requests(1, status=404), as_of=IN_MARCH, api_key_id=alice.key.id)
    send(acme_ledger, [{"id": "bare", "type": "http_request", "timestamp": IN_MARCH, "subject": "ann"}], as_of=IN_MARCH)
    query = {"start": "2026-03-01", "end": "2026-04-01", "window": "month", "group_by": "status,api_key"}
    start, key = "2026-02-28T18:30:00Z", str(alice.key.id)
    assert body_of(alice.get("/usage/query", query))["data"] == [
        {"window_start": start, "group": {"status": "200", "api_key": key}, "quantity": "2"},
        {"window_start": start, "group": {"status": "404", "api_key": key}, "quantity": "1"},
        {"window_start": start, "group": {"status": None, "api_key": None}, "quantity": "1"},
    ]
    filtered = body_of(
        alice.get("/usage/query", query | {"filter[status]": "404", "filter[api_key]": alice.key.prefix})
    )["data"]
    assert [row["quantity"] for row in filtered] == ["1"]
    either = body_of(alice.get("/usage/query", query | {"group_by": "", "filter[status]": ["404", "200"]}))["data"]
    assert either == [{"window_start": start, "group": {}, "quantity": "3"}]
    by_subject = body_of(
        alice.get("/usage/query", query | {"group_by": ["subject"], "window": "hour", "end": "2026-03-31"})
    )["data"]
    assert [(row["window_start"], row["group"]["subject"], row["quantity"]) for row in by_subject] == [
        ("2026-03-04T18:00:00Z", "ann", "1"),
        ("2026-03-04T18:00:00Z", None, "3"),
    ]


def test_the_largest_groups_are_returned_with_all_others_as_one(alice: Api, acme_ledger: Ledger) -> None:
    for status, number in ((200, 5), (404, 3), (500, 2), (503, 1)):
        send(acme_ledger, requests(number, status=status), as_of=IN_MARCH, api_key_id=alice.key.id)
    later = IN_MARCH + timedelta(days=2)
    send(acme_ledger, requests(1, later, status=500), as_of=later, api_key_id=alice.key.id)
    query = {"start": "2026-03-05", "end": "2026-03-08", "group_by": "status,api_key", "top": "2"}
    key, days = str(alice.key.id), ["2026-03-04T18:30:00Z", "2026-03-05T18:30:00Z", "2026-03-06T18:30:00Z"]

    def rows(**more: str) -> list[tuple[Any, ...]]:
        data = body_of(alice.get("/usage/query", query | more))["data"]
        assert all(row["group"]["api_key"] in ({None} if row["other"] else {key}) for row in data)
        return [(row["window_start"], row["group"]["status"], row["other"], row["quantity"]) for row in data]

    assert rows() == [
        (days[0], "200", False, "5"),
        (days[0], "404", False, "3"),
        (days[0], None, True, "3"),
        (days[2], None, True, "1"),
    ]
    assert rows(fill="1") == [
        *rows()[:3],
        *(
            (day, status, other, "0")
            for day in days[1:2]
            for status, other in (("200", False), ("404", False), (None, True))
        ),
        (days[2], "200", False, "0"),
        (days[2], "404", False, "0"),
        (days[2], None, True, "1"),
    ]
    table = alice.get("/usage/query", query, Accept="text/csv").content.decode().split("\r\n")
    assert table[:2] == ["window_start,status,api_key,other,quantity", f"{days[0]},200,{key},false,5"]
    assert table[3] == f"{days[0]},,,true,3"


def test_windows_without_usage_are_filled_if_asked(alice: Api, acme_ledger: Ledger) -> None:
    send(acme_ledger, requests(2), as_of=IN_MARCH)
    query = {"start": "2026-03-01", "end": "2026-04-01", "fill": "1"}
    rows = body_of(alice.get("/usage/query", query))["data"]
    assert [(row["group"], row["quantity"]) for row in rows] == [({}, "2" if n == 4 else "0") for n in range(31)]
    nothing = {"start": "2026-05-01", "end": "2026-06-01", "fill": "1"}
    assert len(body_of(alice.get("/usage/query", nothing))["data"]) == 31
    assert body_of(alice.get("/usage/query", nothing | {"group_by": "status"}))["data"] == []
    for n in range(10):
        send(acme_ledger, requests(1, IN_MARCH + timedelta(minutes=n), resource_path=f"/{n}"), as_of=IN_MARCH)
    wide = {"start": "2026-02-01", "end": "2026-05-01", "window": "hour", "group_by": "resource_path", "fill": "1"}
    assert problem_of(alice.get("/usage/query", wide), 422)["code"] == "query_too_large"


def test_the_sources_agree_on_a_span_that_begins_within_a_window(alice: Api, acme_ledger: Ledger) -> None:
    send(acme_ledger, requests(2) + requests(1, IN_MARCH + timedelta(minutes=5)), as_of=IN_MARCH)
    later = {"start": "2026-03-04T18:50:00Z", "end": "2026-03-10", "window": "day"}
    [row] = body_of(alice.get("/usage/query", later))["data"]
    assert (row["window_start"], row["quantity"]) == ("2026-03-04T18:30:00Z", "1")


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/usage/monthly", {"month": "2026-13"}, 422, "invalid_month"),
        ("/usage/monthly", {"month": "9999-12"}, 422, "invalid_month"),
        ("/usage/daily", {"start": "2026-02-30"}, 422, "invalid_date"),
        ("/usage/daily", {"start": "20260201"}, 422, "invalid_date"),
        ("/usage/daily", {"start": "2026-03-02", "end": "2026-03-02"}, 422, "invalid_span"),
        ("/usage/daily", {"start": "2001-01-01", "end": "2026-01-01"}, 422, "span_too_long"),
        ("/usage/daily", {"meter": "nonesuch"}, 422, "unknown_meter"),
        ("/usage/daily", {"end": "0001-01-02"}, 422, "invalid_date"),
        ("/usage/daily", {"end": "0002-01-01"}, 200, ""),
        ("/usage/daily", {"start": "2026-03-02", "end": "2026-03-01"}, 422, "invalid_span"),
        ("/usage/daily", {"bom": "yes"}, 422, "invalid_flag"),
        ("/usage/realtime", {"api_key": "nonesuch"}, 404, "not_found"),
        ("/usage/query", {"window": "week"}, 422, "invalid_window"),
        ("/usage/query", {"group_by": "colour"}, 422, "unknown_dimension"),
        ("/usage/query", {"group_by": ",".join("abcdef")}, 422, "too_many_groups"),
        ("/usage/query", {"top": "3"}, 422, "invalid_top"),
        ("/usage/query", {"top": "0", "group_by": "status"}, 422, "invalid_top"),
        ("/usage/query", {"top": "101", "group_by": "status"}, 422, "invalid_top"),
        ("/usage/query", {"top": "٣", "group_by": "status"}, 422, "invalid_top"),
        ("/usage/query", {"fill": "yes"}, 422, "invalid_flag"),
        ("/usage/query", {"filter[colour]": "red"}, 422, "unknown_dimension"),
        ("/usage/query", {"filter[": "red"}, 422, "invalid_filter"),
        ("/usage/query", {"filter[status]": ["1"] * 51}, 422, "invalid_filter"),
        ("/usage/query", {"filter[api_key]": "nonesuch"}, 404, "not_found"),
        ("/usage/query", {"start": "2026-03-02T00:00:00"}, 422, "invalid_timestamp"),
        ("/usage/query", {"start": "2026-03-02", "end": "2026-03-01"}, 422, "invalid_span"),
        ("/usage/query", {"start": "2025-03-02", "end": "2026-03-01", "window": "hour"}, 422, "span_too_long"),
        ("/usage/query", {"start": "1500-01-01", "end": "2026-03-01", "window": "month"}, 422, "span_too_long"),
        ("/usage/query", {"end": "0002-01-01"}, 200, ""),
        ("/usage/query", {"start": "2999-01-01T00:00:00Z"}, 200, ""),
    ],
)
def test_an_invalid_usage_query_is_refused_by_parameter(
    alice: Api, path: str, query: dict[str, Any], status: int, code: str
) -> None:
    response = alice.get(path, query)
    if status == 200:
        assert response.status_code == 200, response.content
    else:
        assert problem_of(response, status)["code"] == code


def test_a_usage_query_with_too_many_rows_is_refused(alice: Api, acme_ledger: Ledger) -> None:
    days = [IN_MARCH + timedelta(days=number) for number in range(100)]
    send(
        acme_ledger,
        [event for at in days for n in range(101) for event in requests(1, at, resource_path=f"/{n}")],
        as_of=IN_MARCH,
    )
    query = {"start": "2026-03-01", "end": "2026-07-01", "group_by": "resource_path"}
    assert problem_of(alice.get("/usage/query", query), 422)["code"] == "query_too_large"
    assert len(body_of(alice.get("/usage/query", query | {"window": "month"}))["data"]) == 404


def test_a_usage_query_with_too_many_filters_is_refused(alice: Api) -> None:
    names = [f"d{number}" for number in range(11)]
    make_meter("wide", "http_request", dimensions=names)
    query = {"meter": "wide"} | {f"filter[{name}]": "x" for name in names}
    assert problem_of(alice.get("/usage/query", query), 422)["code"] == "too_many_filters"


def test_usage_is_returned_as_csv_too(alice: Api, acme_ledger: Ledger) -> None:
    send(
        acme_ledger,
        requests(2, resource_path="=cmd|' /C calc'!A0") + requests(1, resource_path='/a,"b"\n'),
        as_of=IN_MARCH,
    )

    def table(path: str, **query: str) -> list[str]:
        response = alice.get(path, query, Accept="text/csv")
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == f'attachment; filename="{path[1:].replace("/", "-")}.csv"'
        return response.content.decode().split("\r\n")

    assert table("/usage/monthly", month="2026-03")[:2] == [
        "period_start,period_end,meter,unit,quantity,limit,percent,forecast,forecast_low,forecast_high,forecast_method",
        "2026-02-28T18:30:00Z,2026-03-31T18:30:00Z,api_bytes,bytes,30,,,30,30,30,counted",
    ]
    assert table("/usage/daily", start="2026-03-05", end="2026-03-06") == [
        "date,meter,quantity,events",
        "2026-03-05,api_requests,3,3",
        "",
    ]
    assert len(table("/usage/realtime")) == 26
    assert table("/usage/query", start="2026-03-01", end="2026-04-01", window="month", group_by="resource_path") == [
        "window_start,resource_path,quantity",
        '2026-02-28T18:30:00Z,"/a,""b""\n",1',
        "2026-02-28T18:30:00Z,'=cmd|' /C calc'!A0,2",
        "",
    ]
    problem_of(alice.get("/usage/daily", {"start": "x"}, Accept="text/csv"), 422)
    problem_of(alice.get("/usage/daily", Accept="image/png"), 406)


def test_a_csv_has_numbers_as_numbers_and_a_byte_order_mark_if_asked(alice: Api, acme_ledger: Ledger) -> None:
    send(acme_ledger, requests(1, status=-1) + requests(1, status="-1+A1"), as_of=IN_MARCH)
    query = {"start": "2026-03-01", "end": "2026-04-01", "window": "month", "group_by": "status"}
    plain, marked = (alice.get("/usage/query", query | more, Accept="text/csv").content for more in ({}, {"bom": "1"}))
    assert marked == b"\xef\xbb\xbf" + plain
    assert plain.decode().split("\r\n")[1:3] == ["2026-02-28T18:30:00Z,-1,1", "2026-02-28T18:30:00Z,'-1+A1,1"]


def test_usage_is_returned_as_lines_of_json_too(alice: Api, acme_ledger: Ledger) -> None:
    send(acme_ledger, requests(3), as_of=IN_MARCH)

    def lines(path: str, **query: str) -> list[Any]:
        response = alice.get(path, query, Accept="application/x-ndjson")
        assert response["Content-Type"] == "application/x-ndjson"
        assert response.content.endswith(b"\n")
        return [json.loads(line) for line in response.content.splitlines()]

    days = {"start": "2026-03-05", "end": "2026-03-07"}
    assert lines("/usage/daily", **days) == [
        {"meter": "api_requests", "date": "2026-03-05", "quantity": "3", "events": 3},
        {"meter": "api_requests", "date": "2026-03-06", "quantity": "0", "events": 0},
    ]
    assert lines("/usage/query", **days, group_by="status") == [
        {"window_start": "2026-03-04T18:30:00Z", "group": {"status": "200"}, "quantity": "3"}
    ]
    assert len(lines("/usage/realtime")) == 24
    monthly = body_of(alice.get("/usage/monthly", {"month": "2026-03"}))
    assert lines("/usage/monthly", month="2026-03") == [
        {"period": monthly["period"], **meter} for meter in monthly["meters"]
    ]
    problem_of(alice.get("/usage/daily", {"start": "x"}, Accept="application/x-ndjson"), 422)


@pytest.mark.parametrize("path", PATHS)
def test_usage_needs_the_scope_and_is_of_one_tenant(
    alice: Api, charlie: Api, acme: Tenant, acme_ledger: Ledger, path: str
) -> None:
    key, secret = make_key(acme, scopes=[Scope.EVENTS_WRITE])
    assert problem_of(Api(secret, key).get(path), 403)["code"] == "scope_missing"
    problem_of(Api("nonsense", key).get(path), 401)
    send(acme_ledger, requests(1), as_of=IN_MARCH, api_key_id=alice.key.id)
    content = charlie.get(path, {"month": "2026-03", "start": "2026-03-01", "end": "2026-04-01"}).content
    assert b'"1"' not in content
    if path != "/usage/monthly":
        name = "filter[api_key]" if path == "/usage/query" else "api_key"
        problem_of(charlie.get(path, {name: str(alice.key.id)}), 404)


@pytest.mark.parametrize("path", PATHS)
def test_a_suspended_tenant_may_still_read_usage(alice: Api, acme: Tenant, path: str) -> None:
    Tenant.objects.filter(pk=acme.pk).update(status="suspended")
    assert alice.get(path).status_code == 200


def test_a_prefix_of_several_keys_is_ambiguous(alice: Api, acme: Tenant) -> None:
    make_key(acme, prefix=alice.key.prefix)
    assert problem_of(alice.get("/usage/daily", {"api_key": alice.key.prefix}), 422)["code"] == "ambiguous_api_key"


def test_days_of_a_test_key_are_those_of_the_test_ledger(alice: Api, acme: Tenant) -> None:
    send(ledger_of(acme, is_live=False), requests(5), as_of=IN_MARCH)
    days = body_of(alice.get("/usage/daily", {"start": "2026-03-01", "end": str(date(2026, 4, 1))}))["data"]
    assert {day["quantity"] for day in days} == {"0"}
