"""The live debugger."""

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.domain.actor import Actor
from billing.domain.prices import PerUnit
from billing.services.subscriptions.subscribing import subscribe
from metering.domain.ledger import Ledger
from metering.models import Verdict
from metering.selectors.debugger import SentEvent, SentEventCursor, SentEventFilters, sent_events
from metering.selectors.ledgers import ledgers
from metering.services.verdicts import UnstoredEvent, record_verdicts
from metering.services.voids import void_event
from tests.billing.world import close_month, first_invoice, make_plan
from tests.metering.ledger_world import ledger_of, make_key, send
from tests.metering.retention_world import let_go
from tests.portal.conftest import NOW, Cast, signed_in

HTMX = {"HX-Request": "true"}


def _send_many(ledger: Ledger, count: int) -> None:
    events = [
        {
            "id": f"e-{number:03}",
            "type": "http_request",
            "timestamp": (NOW - timedelta(seconds=number // 3)).isoformat(),
        }
        for number in range(count)
    ]
    send(ledger, events, as_of=NOW)


def _refuse(ledger: Ledger, verdict: Verdict, event_id: str, code: str, *, seconds_ago: int = 0) -> None:
    refusal = UnstoredEvent(verdict, event_id, "http_request", code, f"Because of {event_id}.")
    record_verdicts(
        ledger=ledger, refusals=[refusal], api_key_id=None, request_id="", as_of=NOW - timedelta(seconds=seconds_ago)
    )


def test_every_outcome_is_shown_with_its_reason(cast: Cast, alice: Client) -> None:
    ledger = ledger_of(cast.acme)
    _send_many(ledger, 1)
    _refuse(ledger, Verdict.DUPLICATE, "again", "duplicate")
    _refuse(ledger, Verdict.REJECTED, "bad", "unknown_event_type")

    page = alice.get("/t/acme/events/")

    assert {row.outcome for row, _ in page.context["rows"]} == {"accepted", "duplicate", "rejected"}
    assert "unknown_event_type" in page.content.decode()
    assert "Because of bad." in page.content.decode()


def test_events_are_found_by_outcome_type_key_and_exact_id(cast: Cast, alice: Client) -> None:
    ledger = ledger_of(cast.acme)
    key, _ = make_key(cast.acme)
    send(ledger, [{"id": "keyed", "type": "http_request"}], as_of=NOW, api_key_id=key.pk)
    _send_many(ledger, 2)
    _refuse(ledger, Verdict.REJECTED, "keyed", "quantity_invalid")

    def found(query: str) -> list[tuple[str, str]]:
        return sorted((row.event_id, row.outcome) for row, _ in alice.get(f"/t/acme/events/?{query}").context["rows"])

    assert found(f"api_key={key.pk}") == [("keyed", "accepted")]
    assert found("event_id=keyed") == [("keyed", "accepted"), ("keyed", "rejected")]
    assert found("event_id=keyed&outcome=accepted") == [("keyed", "accepted")]
    assert found("outcome=rejected&type=http_request") == [("keyed", "rejected")]
    assert found(f"event_id=e-000&api_key={key.pk}") == []
    assert found("event_id=unknown") == []
    assert len(found("outcome=nonsense")) == 4
    assert b"No matching events" in alice.get("/t/acme/events/?outcome=conflict").content


def test_pages_show_every_row_once_in_order(cast: Cast) -> None:
    ledger = ledger_of(cast.acme)
    _send_many(ledger, 40)
    for number in range(25):
        _refuse(ledger, Verdict.DUPLICATE, f"d-{number}", "duplicate", seconds_ago=number // 4)

    seen: list[SentEvent] = []
    cursor = SentEventCursor()
    while True:
        page = sent_events(ledger=ledger, filters=SentEventFilters(), cursor=cursor, limit=7)
        seen += page.rows
        if page.next_cursor is None:
            break
        cursor = SentEventCursor.parse(str(page.next_cursor))

    assert len({row.event_id for row in seen}) == len(seen) == 65
    assert [row.at for row in seen] == sorted((row.at for row in seen), reverse=True)


def test_the_next_page_is_one_click_away_and_the_newest_too(cast: Cast, alice: Client) -> None:
    _send_many(ledger_of(cast.acme), 60)

    first = alice.get("/t/acme/events/")
    link = re.search(r'href="([^"]+cursor=[^"]+)"', first.content.decode())
    assert link is not None
    second = alice.get(link[1].replace("&amp;", "&"))

    assert (len(first.context["rows"]), len(second.context["rows"])) == (50, 10)
    assert b"Newest" in second.content
    assert b"every 2s" not in second.content  # only the first page watches


def test_a_hostile_cursor_begins_at_the_newest_event(cast: Cast, alice: Client) -> None:
    _send_many(ledger_of(cast.acme), 1)
    at = NOW.isoformat().replace("+", "%2B")
    naive = "2026-03-10T12:30:00"

    for cursor in (
        "x",
        "___",
        "a_b_c_d",
        f"{naive}_00__0",
        "_zz__0",
        f"__{at}_99999999999999999999",
        f"__{at}_-1",
        "é_é_é_é",
    ):
        assert len(alice.get(f"/t/acme/events/?cursor={cursor}").context["rows"]) == 1


def test_watching_events_gets_nothing_until_one_is_new(cast: Cast, alice: Client) -> None:
    ledger = ledger_of(cast.acme)
    _send_many(ledger, 1)
    seen = alice.get("/t/acme/events/").context["seen"]

    assert alice.get(f"/t/acme/events/?seen={seen}", headers=HTMX).status_code == 204
    _refuse(ledger, Verdict.DUPLICATE, "e-000", "duplicate")
    fresh = alice.get(f"/t/acme/events/?seen={seen}", headers=HTMX)
    assert fresh.status_code == 200
    assert b"<html" not in fresh.content
    assert b"Because of e-000." in fresh.content


def test_the_list_takes_as_many_queries_for_many_events_as_for_one(cast: Cast, alice: Client) -> None:
    ledger = ledger_of(cast.acme)
    _send_many(ledger, 1)
    with CaptureQueriesContext(connection) as for_one:
        alice.get("/t/acme/events/")
    send(ledger, [{"id": f"more-{number}", "type": "http_request"} for number in range(40)], as_of=NOW)
    with CaptureQueriesContext(connection) as for_many:
        alice.get("/t/acme/events/")

    assert len(for_many) <= len(for_one)


def test_one_event_is_shown_in_full_with_its_exact_numbers(cast: Cast, alice: Client) -> None:
    event = {
        "id": "full/é",
        "type": "http_request",
        "properties": {"cost": 12345678901234567890, "note": "<b>", "ok": True, "none": None},
    }
    send(ledger_of(cast.acme), [event], as_of=NOW)

    page = alice.get("/t/acme/events/one/", {"id": "full/é"}).content.decode()

    assert "12345678901234567890" in page
    assert "&lt;b&gt;" in page
    assert "10 Mar 2026, 13:30:00" in page  # Paris


def test_a_voided_event_says_so_in_the_list_and_by_itself(cast: Cast, alice: Client) -> None:
    ledger = ledger_of(cast.acme)
    _send_many(ledger, 1)
    void_event(ledger=ledger, event_id="e-000", reason="Sent by mistake", voided_by="alice@example.com", as_of=NOW)

    assert b"Voided" in alice.get("/t/acme/events/").content
    assert b"Sent by mistake" in alice.get("/t/acme/events/one/?id=e-000").content


def test_an_unknown_event_is_not_found(cast: Cast, alice: Client) -> None:
    _send_many(ledger_of(cast.rival), 1)

    for query in ("id=e-000", "id=", "", f"id={'x' * 256}", "id=e-000&ledger=test"):
        assert alice.get(f"/t/acme/events/one/?{query}").status_code == 404


def test_a_deleted_event_and_the_end_of_the_list_state_the_horizon(cast: Cast, alice: Client) -> None:
    march = NOW.replace(month=3)
    send(ledger_of(cast.acme), [{"id": "old", "type": "http_request", "timestamp": march.isoformat()}], as_of=march)
    _send_many(ledger_of(cast.acme), 1)
    let_go(list(ledgers(tenant_ids=[cast.acme.pk])), month=march.date().replace(day=1))

    assert "Raw events before 1 April" in alice.get("/t/acme/events/").content.decode()
    gone = alice.get("/t/acme/events/one/?id=old")
    assert gone.status_code == 410
    assert "Raw events of that time are deleted" in gone.content.decode()
    usage = "/t/acme/usage/?meter=api_requests&window=hour&group_by=api_key&start=2026-03-09&end=2026-03-10"
    assert "were deleted on" in alice.get(usage).content.decode()
    assert alice.get(usage.replace("usage/?", "usage.csv?")).status_code in {404, 422}


def test_an_empty_list_leads_to_the_first_steps(cast: Cast, alice: Client) -> None:
    assert b"No live events yet" in alice.get("/t/acme/events/").content
    assert b"No test events yet" in alice.get("/t/acme/events/?ledger=test").content


def test_events_are_found_by_their_time_in_the_tenants_zone_or_with_an_offset(cast: Cast, alice: Client) -> None:
    ledger = ledger_of(cast.acme)
    for hours in (0, 1, 2):
        at = (NOW - timedelta(hours=hours)).isoformat()
        send(ledger, [{"id": f"h{hours}", "type": "http_request", "timestamp": at}], as_of=NOW)
        _refuse(ledger, Verdict.REJECTED, f"r{hours}", "quantity_invalid", seconds_ago=3600 * hours)

    def found(**asked: str) -> list[str]:
        return sorted(row.event_id for row, _ in alice.get("/t/acme/events/", asked).context["rows"])

    assert found(start="2026-03-10T12:30", end="2026-03-10T13:30") == ["h1", "r1"]  # Paris
    assert found(start="2026-03-10T11:30:00Z", end="2026-03-10T12:30:00Z") == ["h1", "r1"]
    assert found(start="2026-03-10T12:30:00Z") == ["h0", "r0"]
    assert found(end="2026-03-10T10:30:01Z", type="http_request") == ["h2", "r2"]
    assert found(event_id="h1", start="2026-03-10T12:30:00Z") == []
    shown = alice.get("/t/acme/events/?start=2026-03-10T11:30:00Z").content.decode()
    assert 'value="2026-03-10T12:30:00"' in shown


@pytest.mark.parametrize(
    "asked",
    [
        "start=yesterday",
        "start=2026-03-10T12:00&end=2026-03-10T12:00",
        "end=9999999",
        "end=9999-12-31T23:59:59Z",
        "start=0001-01-01T00:00",
        "start=2026-03-29T02:30",  # the clocks go forward in Paris
    ],
)
def test_an_impossible_span_is_explained_and_filters_nothing(asked: str, cast: Cast, alice: Client) -> None:
    _send_many(ledger_of(cast.acme), 1)

    page = alice.get(f"/t/acme/events/?{asked}")

    assert page.status_code == 200
    assert page.context["form"].errors
    assert len(page.context["rows"]) == 1


def test_an_event_leads_to_its_key_its_meters_and_shows_its_json(cast: Cast, alice: Client) -> None:
    key, _ = make_key(cast.acme, name="Gateway")
    event = {"id": "e", "type": "http_request", "properties": {"cost": 12345678901234567890}}
    send(ledger_of(cast.acme), [event], as_of=NOW, api_key_id=key.pk)

    page = alice.get("/t/acme/events/one/?id=e")

    assert f"/t/acme/keys/{key.pk}/" in page.content.decode()
    assert [meter.name for meter in page.context["links"].meters] == ["API requests", "Bytes sent"]
    for meter in page.context["links"].meters:
        assert alice.get(meter.url).status_code == 200
    raw = json.loads(page.context["raw"])
    assert (raw["id"], raw["properties"], raw["void"]) == ("e", event["properties"], None)


def test_an_invoiced_event_leads_to_its_line_only_for_those_who_see_invoices(cast: Cast, alice: Client) -> None:
    at, began_at = NOW - timedelta(days=20), NOW - timedelta(days=35)
    plan = make_plan(usage={"api_requests": PerUnit(Decimal(1))})
    subscription = subscribe(tenant=cast.acme, plan_version=plan, actor=Actor.system("test"), as_of=began_at)
    first_invoice(subscription)
    send(ledger_of(cast.acme), [{"id": "e", "type": "http_request", "timestamp": at.isoformat()}], as_of=at)
    invoice = close_month(subscription)

    page = alice.get("/t/acme/events/one/?id=e").content.decode()

    assert f"/t/acme/invoices/{invoice.number}/#line-1" in page
    assert 'id="line-1"' in alice.get(f"/t/acme/invoices/{invoice.number}/").content.decode()
    assert str(invoice.number) not in signed_in(cast.dora).get("/t/acme/events/one/?id=e").content.decode()


def test_a_refused_event_is_opened_and_leads_to_the_stored_one(cast: Cast, alice: Client) -> None:
    ledger = ledger_of(cast.acme)
    _send_many(ledger, 1)
    _refuse(ledger, Verdict.DUPLICATE, "e-000", "duplicate")
    [refused] = [row for row, _ in alice.get("/t/acme/events/?outcome=duplicate").context["rows"]]
    url = f"/t/acme/events/refused/{refused.verdict_id}/"

    page = alice.get(url)

    assert "Because of e-000." in page.content.decode()
    assert page.context["stored"].id == "e-000"
    assert signed_in(cast.charlie).get(url.replace("acme", "rival")).status_code == 404
    assert alice.get(f"/t/acme/events/refused/{2**70}/").status_code == 404
