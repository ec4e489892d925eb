"""`POST /events` as in the contract: status codes, bodies, and the ledger's content afterwards."""

import gzip
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.domain.api_key import KeyKind
from accounts.domain.pages import PageRequest
from accounts.domain.scopes import Scope
from accounts.models import Tenant, TenantStatus
from accounts.selectors.tenants import forget_tenant
from metering.domain.ledger import Ledger
from metering.domain.retention import month_after, month_start
from metering.models import (
    Event,
    IngestVerdict,
    Meter,
    QuotaPeriod,
    UsageHour,
    UsagePlan,
    UsagePlanAssignment,
    UsagePlanQuota,
    Verdict,
)
from metering.selectors.events import EventFilters, events_page
from tests.metering.api.conftest import Api, body_of, problem_of
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_key
from tests.metering.retention_world import let_go

pytestmark = pytest.mark.django_db


def call(event_id: str, **more: Any) -> dict[str, Any]:
    return {"id": event_id, "type": "http_request", **more}


def ids_in(ledger: Ledger) -> set[str]:
    return set(Event.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).values_list("event_id", flat=True))


def test_one_event_is_201_then_200_then_409(alice: Api, acme_ledger: Ledger) -> None:
    event = call("a", quantity="2.50", subject="ann", properties={"status": 200})
    first = alice.post("/events", event)
    assert (first.status_code, body_of(first)) == (201, {"id": "a", "status": "accepted"})
    again = alice.post("/events", event)
    assert (again.status_code, body_of(again)) == (200, {"id": "a", "status": "duplicate"})
    other = problem_of(alice.post("/events", event | {"quantity": 3}), 409)
    assert other["code"] == "event_conflict"
    assert [verdict.verdict for verdict in IngestVerdict.objects.order_by("pk")] == [
        Verdict.DUPLICATE,
        Verdict.CONFLICT,
    ]
    assert UsageHour.objects.of_ledger(acme_ledger.tenant_id, is_live=True).count() == 2  # api_requests and api_bytes
    assert ids_in(acme_ledger) == {"a"}


@pytest.mark.parametrize(
    ("event", "status", "code", "pointer"),
    [
        ({"type": "http_request"}, 400, "required", "/id"),
        ({"id": "a", "type": "nonesuch"}, 422, "unknown_event_type", "/type"),
        (call("a", colour="red"), 400, "unknown_field", "/colour"),
        (call(""), 422, "invalid_id", "/id"),
        (call("a", quantity="NaN"), 422, "invalid_quantity", "/quantity"),
        (call("a", quantity=-1), 422, "invalid_quantity", "/quantity"),
        (call("a", timestamp="2026-01-01T00:00:00"), 422, "invalid_timestamp", "/timestamp"),
        (call("a", timestamp="2001-01-01T00:00:00Z"), 422, "timestamp_too_old", "/timestamp"),
        (call("a", timestamp="2999-01-01T00:00:00Z"), 422, "timestamp_in_future", "/timestamp"),
        (call("a", properties={"a": {"b": 1}}), 422, "invalid_properties", "/properties/a"),
        (call("a", tenant="globex"), 422, "tenant_not_allowed", "/tenant"),
    ],
)
def test_a_refused_event_is_named_and_shown_in_the_debugger(
    alice: Api, acme_ledger: Ledger, event: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    problem = problem_of(alice.post("/events", event), status)
    assert problem["code"] == code
    assert problem["errors"] == [{"pointer": pointer, "code": code, "detail": problem["detail"]}]
    verdict = IngestVerdict.objects.get()
    assert (verdict.verdict, verdict.code, verdict.api_key_id) == (Verdict.REJECTED, code, alice.key.id)
    assert verdict.request_id == problem["request_id"]
    assert ids_in(acme_ledger) == set()


def test_a_batch_stores_valid_events_and_lists_only_the_others(alice: Api, acme_ledger: Ledger) -> None:
    alice.post("/events", call("known"))
    alice.post("/events", call("clash", quantity=1))
    batch = [call("new"), call("known"), call("clash", quantity=2), {"id": "odd", "type": "nonesuch"}, 7, call("new")]
    response = alice.post("/events", {"events": batch})
    assert response.status_code == 200
    body = body_of(response)
    assert (body["accepted"], body["duplicates"], body["rejected"]) == (1, 2, 3)
    assert [(one["index"], one["id"], one["code"]) for one in body["results"]] == [
        (2, "clash", "event_conflict"),
        (3, "odd", "unknown_event_type"),
        (4, None, "invalid_type"),
    ]
    assert ids_in(acme_ledger) == {"new", "known", "clash"}
    again = body_of(alice.post("/events", {"events": batch}))
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, 3, 3)


def test_a_batch_without_a_valid_event_is_422(alice: Api) -> None:
    problem = problem_of(alice.post("/events", {"events": [call(""), {"id": "b", "type": "nonesuch"}]}), 422)
    assert problem["code"] == "all_events_rejected"
    assert (problem["accepted"], problem["duplicates"], problem["rejected"]) == (0, 0, 2)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
        ("/events/0/id", "invalid_id"),
        ("/events/1/type", "unknown_event_type"),
    ]


def test_a_batch_of_5000_takes_a_few_statements_and_5001_are_refused(alice: Api, acme_ledger: Ledger) -> None:
    events = [call(str(number), properties={"status": number % 7}) for number in range(5001)]
    problem_of(alice.post("/events", {"events": events}), 400)
    packed = gzip.compress(json.dumps({"events": events[:5000]}).encode())
    with CaptureQueriesContext(connection) as queries:
        response = alice.post("/events", raw=packed, Content_Encoding="gzip")
    assert body_of(response)["accepted"] == 5000
    assert len(queries) <= 9  # the key, the catalogue, the plan, budgets; ingest itself goes beside Django's cursor
    assert len(ids_in(acme_ledger)) == 5000


def test_ids_keep_their_bytes_and_are_found_again_under_them(alice: Api) -> None:
    ids = ["a/b", "a/b/void", " spaced ", "Ä\u0301\n", "?x=1&y#z", "%2F", "void", "../up", "'; --", "\U0001f600" * 255]
    assert body_of(alice.post("/events", {"events": [call(one) for one in ids]}))["accepted"] == len(ids)
    for one in ids:
        response = alice.get(f"/events/{quote(one, safe='')}")
        assert response.status_code == 200, one
        assert body_of(response)["id"] == one
    assert {row["id"] for row in body_of(alice.get("/events"))["data"]} == set(ids)


def test_properties_come_back_exactly_as_they_were_sent(alice: Api) -> None:
    raw = (
        b'{"id": "exact", "type": "http_request", "quantity": 12345678901.123456789,'
        b' "properties": {"big": 12345678901234567890, "small": 0.000000000000000000000000000001, "yes": true, "no": '
        b"null}}"
    )
    assert alice.post("/events", raw=raw).status_code == 201
    content = alice.get("/events/exact").content
    assert b'"quantity":"12345678901.123456789"' in content
    for part in (
        b'"big": 12345678901234567890',
        b'"small": 0.000000000000000000000000000001',
        b'"yes": true',
        b'"no": null',
    ):
        assert part in content


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"{",
    b"{}",
    b'{"events": []}',
    b'{"events": {}}',
    b'{"events": [null]}',
    b'{"events": [[]]}',
    b'{"events": [{"id": "a", "type": "http_request"}], "more": 1}',
    b"\xff\xfe",
    b'{"id": "\xff", "type": "http_request"}',
    b'{"id": "\\ud800", "type": "http_request"}',
    b'{"id": "a\\u0000b", "type": "http_request"}',
    b'{"id": "a", "type": "http_request", "properties": {"a\\u0000": "b"}}',
    b'{"id": "a", "type": "http_request", "subject": "\\u0000"}',
    b'{"id": "a", "type": "http_request", "quantity": 1e999999999}',
    b'{"id": "a", "type": "http_request", "quantity": ' + b"9" * 5000 + b"}",
    b'{"id": "a", "type": "http_request", "properties": {"n": 1e400}}',
    b'{"id": "a", "type": "http_request", "timestamp": 99999999999999999999}',
    b'{"id": "a", "type": "http_request", "timestamp": true}',
    b'{"id": 7, "type": "http_request"}',
    b'{"id": "a", "type": {"$ne": null}}',
    b'{"id": "a", "type": "http_request", "properties": "x"}',
    b'{"id": "a", "type": "http_request", "properties": {"p": "' + b"x" * 5000 + b'"}}',
    b'{"id": "' + b"a" * 256 + b'", "type": "http_request"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"events": [' + b"[" * 100_000,
    b'{"id": "a", "type": "http_request", "quantity": NaN}',
]


@pytest.mark.parametrize("raw", HOSTILE, ids=map(str, range(len(HOSTILE))))
def test_a_hostile_body_is_a_problem_and_stores_nothing(alice: Api, acme_ledger: Ledger, raw: bytes) -> None:
    for path in ("/events", "/access-logs"):
        response = alice.post(path, raw=raw)
        assert response.status_code in {400, 422}, response.content
        problem_of(response, response.status_code)
    assert ids_in(acme_ledger) == set()


def test_sizes_types_and_encodings_are_refused_by_their_own_status(alice: Api) -> None:
    bomb = gzip.compress(b" " * (6 * 1024 * 1024))
    problem_of(alice.post("/events", raw=bomb, Content_Encoding="gzip"), 413)
    problem_of(alice.post("/events", raw=b" " * (5 * 1024 * 1024 + 1)), 413)
    problem_of(alice.post("/events", raw=b"not gzip", Content_Encoding="gzip"), 400)
    problem_of(alice.post("/events", raw=b"x", Content_Encoding="br"), 415)
    problem_of(alice.post("/events", raw=b"<a/>", content_type="text/xml"), 415)


def test_a_key_without_the_scope_is_403_and_a_suspended_tenant_402(alice: Api, acme: Tenant, gateway: Api) -> None:
    _, secret = make_key(acme, scopes=[Scope.USAGE_READ])
    reader = Api(secret, alice.key)
    assert problem_of(reader.post("/events", call("a")), 403)["code"] == "scope_missing"
    Tenant.objects.filter(pk=acme.pk).update(status=TenantStatus.SUSPENDED)
    assert problem_of(alice.post("/events", call("a")), 402)["code"] == "subscription_inactive"
    assert problem_of(alice.post("/access-logs", {"records": [{"request_id": "r"}]}), 402)
    assert alice.get("/events").status_code == 200
    assert gateway.post("/events", call("a", tenant="acme")).status_code == 201


def test_test_keys_write_to_the_test_ledger_alone(alice: Api, acme: Tenant) -> None:
    key, secret = make_key(acme, kind=KeyKind.TEST, scopes=[Scope.EVENTS_WRITE, Scope.USAGE_READ])
    tester = Api(secret, key)
    assert tester.post("/events", call("same")).status_code == 201
    assert alice.post("/events", call("same", quantity=7)).status_code == 201
    assert ids_in(ledger_of(acme, is_live=False)) == {"same"} == ids_in(ledger_of(acme))
    assert [row["quantity"] for row in body_of(tester.get("/events"))["data"]] == ["1"]


def test_a_service_key_names_the_tenant_in_the_field_or_the_header(
    gateway: Api, alice: Api, charlie: Api, acme: Tenant, globex: Tenant
) -> None:
    assert gateway.post("/events", call("field", tenant="acme")).status_code == 201
    assert gateway.post("/events", call("header"), X_Tenant="globex").status_code == 201
    assert problem_of(gateway.post("/events", call("tenantless")), 422)["code"] == "tenant_missing"
    assert problem_of(gateway.post("/events", call("lost", tenant="nonesuch")), 404)["code"] == "not_found"
    mixed = [
        call("1", tenant="acme"),
        call("2"),
        call("3", tenant="nonesuch"),
        call("4", tenant="a" * 99),
        call("5", tenant=7),
    ]
    body = body_of(gateway.post("/events", {"events": mixed}, X_Tenant="globex"))
    assert (body["accepted"], body["rejected"]) == (2, 3)
    assert [(one["index"], one["id"], one["code"]) for one in body["results"]] == [
        (2, "3", "unknown_tenant"),
        (3, "4", "unknown_tenant"),
        (4, "5", "invalid_type"),
    ]
    assert ids_in(ledger_of(acme)) == {"field", "1"}
    assert ids_in(ledger_of(globex)) == {"header", "2"}
    for path in ("/events", "/usage/monthly", "/events/header"):
        assert gateway.get(path, X_Tenant="globex").status_code == 200
        problem_of(gateway.get(path), 422)
        problem_of(gateway.get(path, X_Tenant="nonesuch"), 404)


@pytest.mark.parametrize("slug", ["\0", "ac\0me", "acme\n", "\x7f", "Ä"])
def test_a_tenant_name_that_is_no_slug_is_refused(gateway: Api, acme: Tenant, slug: str) -> None:
    for path in ("/events", "/authorize"):
        problem_of(gateway.post(path, call("a", tenant=slug)), 404)
    batch = body_of(gateway.post("/events", {"events": [call("a", tenant=slug), call("b", tenant="acme")]}))
    assert [(one["index"], one["code"]) for one in batch["results"]] == [(0, "unknown_tenant")]
    assert ids_in(ledger_of(acme)) == {"b"}


def test_a_service_batch_of_too_many_tenants_is_refused_whole(gateway: Api) -> None:
    events = [call(str(number), tenant=f"tenant-{number}") for number in range(101)]
    assert problem_of(gateway.post("/events", {"events": events}), 422)["code"] == "too_many_tenants_in_batch"


def test_a_service_batch_reads_the_tenants_that_it_names_by_one_query(
    gateway: Api, acme: Tenant, globex: Tenant
) -> None:
    events = [call(slug, tenant=slug) for slug in ("acme", "globex", "nonesuch")]
    forget_tenant("acme")
    forget_tenant("globex")
    with CaptureQueriesContext(connection) as captured:
        body = body_of(gateway.post("/events", {"events": events}))
    assert (body["accepted"], body["rejected"]) == (2, 1)
    slugs_asked = [query["sql"] for query in captured if 'FROM "accounts_tenant"' in query["sql"]]
    assert len(slugs_asked) == 2, "one for both, and one for the unknown"
    assert ids_in(ledger_of(acme)) == {"acme"}
    assert ids_in(ledger_of(globex)) == {"globex"}


def test_an_idempotency_key_replays_the_first_answer(alice: Api) -> None:
    first = alice.post("/events", call("a"), Idempotency_Key="k1")
    again = alice.post("/events", call("a"), Idempotency_Key="k1")
    assert (first.status_code, again.status_code, again["Idempotency-Replayed"]) == (201, 201, "true")
    assert problem_of(alice.post("/events", call("b"), Idempotency_Key="k1"), 422)["code"] == "idempotency_key_reused"


def test_a_void_takes_usage_back_once(alice: Api, charlie: Api, now: datetime) -> None:
    alice.post("/events", {"events": [call("a/1", properties={"response_length": 10}), call("b")]})
    problem_of(charlie.post("/events/a%2F1/void", {"reason": "mine"}), 404)
    response = alice.post("/events/a%2F1/void", {"reason": "sent by mistake"})
    assert response.status_code == 200
    void = body_of(response)["void"]
    assert void["reason"] == "sent by mistake"
    assert void["voided_by"].startswith("test (ch_live_")
    assert problem_of(alice.post("/events/a%2F1/void", {"reason": "again"}), 409)["code"] == "already_voided"
    problem_of(alice.post("/events/nonesuch/void", {"reason": "?"}), 404)
    hours = body_of(alice.get("/usage/realtime"))["data"]
    assert hours[-1]["quantity"] == "1"
    assert {row["id"]: row["void"] is not None for row in body_of(alice.get("/events"))["data"]} == {
        "a/1": True,
        "b": False,
    }


def test_a_void_gives_quota_back(alice: Api, acme: Tenant) -> None:
    plan = UsagePlan.objects.create(code="one", name="One", created_at=LONG_AGO)
    meter = Meter.objects.get(code="api_requests")
    UsagePlanQuota.objects.create(usage_plan=plan, meter=meter, period=QuotaPeriod.MONTH, limit=1, is_hard=True)
    UsagePlanAssignment.objects.create(tenant=acme, usage_plan=plan, assigned_at=LONG_AGO)
    assert alice.post("/authorize", {"type": "http_request", "id": "first"}).status_code == 200
    assert problem_of(alice.post("/authorize", {"type": "http_request"}), 429)["code"] == "quota_exceeded"
    assert alice.post("/events/first/void", {"reason": "not used"}).status_code == 200
    assert alice.post("/authorize", {"type": "http_request"}).status_code == 200
    reported = alice.post("/events", call("reported"))
    assert reported.status_code == 201, "what is reported is never refused"
    [over] = body_of(reported)["over_quota"]
    assert (over["name"], over["limit"], over["used"]) == ("quota", "1", "2")
    assert over.keys() == {"name", "limit", "used", "resets_at"}
    batch = body_of(alice.post("/events", {"events": [call("reported"), call("more")]}))
    assert (batch["accepted"], batch["duplicates"], batch["over_quota"][0]["used"]) == (1, 1, "3")
    service = Api(*reversed(make_key(None, kind=KeyKind.SERVICE, scopes=["events:write"])))
    by_service = body_of(service.post("/events", {**call("by service"), "tenant": acme.slug}))
    assert (by_service["over_quota"][0]["tenant"], by_service["over_quota"][0]["used"]) == (acme.slug, "4")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"reason": 7}', 400),
        (b'{"reason": " "}', 422),
        (b'{"reason": "' + b"x" * 501 + b'"}', 422),
    ],
)
def test_a_void_needs_a_reason(alice: Api, raw: bytes, status: int) -> None:
    alice.post("/events", call("a"))
    problem_of(alice.post("/events/a/void", raw=raw), status)
    assert body_of(alice.get("/events/a"))["void"] is None


def test_the_list_pages_through_everything_once_in_both_directions(alice: Api, now: datetime) -> None:
    at = now.replace(microsecond=0) - timedelta(hours=1)
    sent = [call(str(number), timestamp=(at - timedelta(minutes=number // 3)).isoformat()) for number in range(23)]
    alice.post("/events", {"events": sent})
    pages, url = [], "/events?limit=5"
    while url:
        page = body_of(alice.get(url.rsplit("/api/v1", maxsplit=1)[-1]))
        pages.append([row["id"] for row in page["data"]])
        url = page["next"]
    seen = [one for page in pages for one in page]
    assert sorted(seen) == sorted(event["id"] for event in sent)
    times = {event["id"]: event["timestamp"] for event in sent}
    assert [times[one] for one in seen] == sorted((times[one] for one in seen), reverse=True)
    back: list[list[str]] = []
    url = page["previous"]
    while url:
        page = body_of(alice.get(url.split("/api/v1")[-1]))
        back.insert(0, [row["id"] for row in page["data"]])
        url = page["previous"]
    assert back == pages[:-1]


def test_the_list_is_filtered(alice: Api, acme: Tenant, now: datetime) -> None:
    key, secret = make_key(acme, scopes=list(Scope))
    early = (now - timedelta(days=2)).isoformat()
    alice.post("/events", {"events": [call("1", subject="ann"), call("2", subject="bob", timestamp=early)]})
    Api(secret, key).post("/events", call("3"))

    def found(**query: str) -> set[str]:
        return {row["id"] for row in body_of(alice.get("/events", query))["data"]}

    assert found(subject="ann") == {"1"}
    assert found(type="http_request") == {"1", "2", "3"}
    assert found(type="nonesuch") == set()
    assert found(api_key=str(key.id)) == {"3"} == found(api_key=key.prefix)
    assert found(start=(now - timedelta(hours=1)).isoformat()) == {"1", "3"}
    assert found(end=str(int((now - timedelta(hours=1)).timestamp()) * 1000)) == {"2"}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"limit": "0"}, 422, "invalid_limit"),
        ({"limit": "501"}, 422, "invalid_limit"),
        ({"cursor": "nonsense"}, 422, "invalid_cursor"),
        ({"cursor": "WyJuIiwiMjAyNi0wMS0wMVQwMDowMDowMCswMDowMCIsInp6Il0"}, 422, "invalid_cursor"),
        ({"start": "yesterday"}, 422, "invalid_timestamp"),
        ({"start": "2026-01-01T00:00:00"}, 422, "invalid_timestamp"),
        ({"end": "0001-01-01T00:00:00+14:00"}, 422, "invalid_timestamp"),
        ({"end": "2026-02-30"}, 422, "invalid_timestamp"),
        ({"start": "2026-02-02", "end": "2026-02-01"}, 422, "invalid_span"),
        ({"start": "2026-02-02T00:00:00Z", "end": "2026-02-02T00:00:00Z"}, 422, "invalid_span"),
        ({"subject": "x" * 4097}, 422, "invalid_text"),
        ({"api_key": "ch_live_none"}, 404, "not_found"),
        ({"api_key": "7f000000-0000-7000-8000-000000000000"}, 404, "not_found"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_named(alice: Api, query: dict[str, str], status: int, code: str) -> None:
    assert problem_of(alice.get("/events", query), status)["code"] == code


def test_another_tenant_sees_no_event(alice: Api, charlie: Api) -> None:
    alice.post("/events", call("secret"))
    assert body_of(charlie.get("/events")) == {"data": [], "next": None, "previous": None, "deleted_before": None}
    problem_of(charlie.get("/events/secret"), 404)
    problem_of(charlie.get("/events", {"api_key": str(alice.key.id)}), 404)
    assert charlie.post("/events", call("secret")).status_code == 201


def test_events_of_a_deleted_month_are_410_and_the_list_says_from_when_on_it_is_whole(
    alice: Api, acme: Tenant, acme_ledger: Ledger
) -> None:
    Tenant.objects.update(backfill_days=400)
    moment = timezone.now() - timedelta(days=240)
    month, at = moment.date().replace(day=1), moment.isoformat()
    assert alice.post("/events", call("old", timestamp=at, subject="ann")).status_code == 201
    let_go([acme_ledger, ledger_of(acme, is_live=False)], month=month)
    deleted_before = month_start(month_after(month)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert body_of(alice.get("/events")) == {
        "data": [], "next": None, "previous": None, "deleted_before": deleted_before,
    }  # fmt: skip
    span = {"start": month.isoformat(), "end": month_after(month).isoformat()}
    for answer in (
        alice.get("/events/old"),
        alice.post("/events/old/void", {"reason": "Late."}),
        alice.post("/events", call("late", timestamp=at)),
        alice.get("/usage/query", {"meter": "api_requests", "window": "day", "group_by": "subject", **span}),
    ):
        assert problem_of(answer, 410)["code"] == "events_deleted"
    problem_of(alice.get("/events/never"), 404)
    known = {"events": [call("old", timestamp=at, subject="ann"), call("late", timestamp=at), call("new")]}
    batch = body_of(alice.post("/events", known))
    assert (batch["accepted"], batch["duplicates"], batch["rejected"]) == (1, 1, 1)
    assert {refusal.code for refusal in IngestVerdict.objects.filter(verdict=Verdict.REJECTED)} == {"events_deleted"}
    daily = body_of(alice.get("/usage/query", {"meter": "api_requests", "window": "day", **span}))
    assert [row["quantity"] for row in daily["data"]] == ["1"], "usage itself stays"


def test_a_page_is_one_statement_however_many_rows_it_has(
    alice: Api, acme_ledger: Ledger, django_assert_num_queries: Any
) -> None:
    alice.post("/events", {"events": [call(str(number)) for number in range(30)]})
    with django_assert_num_queries(0):  # the page itself goes beside Django's cursor
        page = events_page(ledger=acme_ledger, filters=EventFilters(), page=PageRequest(30))
    assert len(page.rows) == 30


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_down_is_503_and_loses_nothing(alice: Api, acme_ledger: Ledger) -> None:
    assert alice.post("/events", call("before")).status_code == 201
    settings = connection.settings_dict
    host, options = settings["HOST"], settings["OPTIONS"]
    connection.close()
    settings["HOST"], settings["OPTIONS"] = "/nonexistent", {**options, "host": "/nonexistent"}
    try:
        for response in (alice.post("/events", call("during")), alice.get("/events"), alice.get("/usage/monthly")):
            assert problem_of(response, 503)["code"] == "store_unavailable"
            assert int(response["Retry-After"]) >= 1
    finally:
        settings["HOST"], settings["OPTIONS"] = host, options
        connection.close()
    assert alice.post("/events", call("during")).status_code == 201
    assert ids_in(acme_ledger) == {"before", "during"}
