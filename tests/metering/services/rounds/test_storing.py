"""A round decides in order of arrival, counts as the statement for one ledger counts, and stores all or nothing."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from pytest_django import Settings

from accounts.database.line import Line
from accounts.domain.reach import WayIn
from accounts.sql import fetch_all
from metering.domain.budgets import BudgetScope
from metering.domain.events import ParsedEvent
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.domain.rounds import Outcome, RoundQuestion, RoundReport
from metering.services.limits.counting import ingest_and_count
from metering.services.limits.watching import learn_levels, watch
from metering.services.partitions import ensure_partitions_of
from metering.services.reconciliation import reconcile
from metering.services.rounds.requests import question_for_round, report_for_round
from metering.services.rounds.storing import check_questions, store_reports
from tests.databases import owner_url
from tests.metering.budget_world import budget_of
from tests.metering.ledger_world import make_meter, make_tenant, parsed
from tests.metering.services.limits.limit_world import Caller, caller_on_plan, quota_of

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
TABLES = {
    "event": "occurred_at, key, id, source, type, quantity, subject, properties, received_at",
    "event_identity": "key, occurred_at, content_hash",
    "usage_hour": "meter_id, hour, sum(quantity), sum(events)",
    "usage_day": "meter_id, day, dimension_key, dimensions, sum(quantity), sum(events)",
    "limit_counter": "meter_id, period_start, period_end, used",
}


@pytest.fixture(autouse=True)
def _partitions(settings: Settings) -> None:
    settings.REDIS_URL = ""
    ensure_partitions_of(days=[NOW.date(), (NOW - timedelta(days=31)).date()])


def store(reports: Sequence[RoundReport]) -> list[Outcome | None]:
    async def hold() -> list[Outcome | None]:
        line = Line(WayIn.INGEST)
        try:
            return await line.hold(store_reports(reports))
        finally:
            line.close()

    return asyncio.run(hold())


def check(questions: Sequence[RoundQuestion]) -> list[Outcome | None]:
    async def hold() -> list[Outcome | None]:
        line = Line(WayIn.INGEST)
        try:
            return await line.hold(check_questions(questions))
        finally:
            line.close()

    return asyncio.run(hold())


def report(caller: Caller, id_: str, *, is_limited: bool = True, **more: Any) -> RoundReport:
    return counted(caller, caller.event(NOW, id_, **more), is_limited=is_limited)


def counted(caller: Caller, event: ParsedEvent, *, is_limited: bool = False) -> RoundReport:
    asked = {"principal": caller.principal, "tenant": caller.tenant, "event": event, "as_of": NOW}
    if not is_limited:
        watched = watch(principal=caller.principal, tenant=caller.tenant, events=[event], as_of=NOW)
        learn_levels([watched])
    made = report_for_round(**asked, is_limited=is_limited)
    assert made is not None
    return made


def question(caller: Caller) -> RoundQuestion:
    event = caller.event(NOW)
    made = question_for_round(principal=caller.principal, tenant=caller.tenant, event=event, as_of=NOW)
    assert made is not None
    return made


def passed(outcomes: Sequence[Outcome | None]) -> list[bool | None]:
    return [None if one is None else one.decision is None or one.decision.is_allowed for one in outcomes]


def rows(caller: Caller) -> dict[str, list[tuple[Any, ...]]]:
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as observer:
        found = {}
        for table, columns in TABLES.items():
            grouped = f"GROUP BY {columns.split(', sum')[0]}" if "sum" in columns else ""
            statement = f"SELECT {columns} FROM {table} WHERE tenant_id = %s {grouped} ORDER BY 1, 2, 3"
            found[table] = observer.execute(statement, [caller.tenant.id]).fetchall()
        return found


def test_a_round_stores_what_the_statement_for_one_ledger_stores() -> None:
    make_meter("seconds", "http_request", aggregation="sum", value_property="s", dimensions=["path"])
    make_meter("errors", "http_request", filters={"status": ["500", "404"]}, dimensions=["status", "path"])
    limits = [quota_of("1000000", is_hard=False), quota_of("1000000", "api_bytes", is_hard=False)]
    one, two = (caller_on_plan(NOW, limits, time_zone="Asia/Kathmandu") for _ in range(2))
    dice = random.Random(7)
    events = [
        {
            "id": f"e{number}",
            "type": "http_request",
            "subject": dice.choice([None, "ann", "é\u2028"]),
            "quantity": dice.choice(["1", "2.50", "0", "0.000000001"]),
            "properties": {
                "path": dice.choice(["/a", "/é", None, 7]),
                "status": dice.choice([200, 404, "500", True]),
                "s": dice.choice([3, -1, "x", None]),
                "response_length": dice.randrange(9),
            },
        }
        | ({"timestamp": (NOW - timedelta(minutes=dice.randrange(40_000))).isoformat()} if dice.random() < 0.7 else {})
        for number in range(60)
    ]

    ingest_and_count(principal=one.principal, tenant=one.tenant, events=parsed(events, as_of=NOW), as_of=NOW)
    outcomes = store([counted(two, event) for event in parsed(events, as_of=NOW)])

    assert passed(outcomes) == [True] * len(events)
    assert rows(one) == rows(two)
    assert reconcile(ledgers=[two.ledger]).is_clean


def test_limits_are_decided_in_order_of_arrival_and_a_refusal_writes_nothing() -> None:
    hot, throttled = caller_on_plan(NOW, [quota_of("4")]), caller_on_plan(NOW, throttle=(1, 3))
    free = Caller(make_tenant("free"))
    assert [hot.passes(NOW), throttled.passes(NOW)] == [[True], [True]]

    outcomes = store([report(caller, f"{n}") for n in range(4) for caller in (hot, throttled, free)])

    assert passed(outcomes) == [True, True, True, True, True, True, True, False, True, False, False, True]
    left = [state.remaining for outcome in outcomes[::3] if outcome for state in outcome.decision.limits]
    assert left == [2, 1, 0, 0]
    assert [caller.events_stored() for caller in (hot, throttled, free)] == [4, 3, 4]
    assert [row[-1] for row in rows(hot)["limit_counter"]] == [4]
    assert not hot.authorize(NOW).decision.is_allowed
    assert passed(check([question(hot), question(throttled)])) == [False, False]
    assert passed(store([report(hot, "5"), report(hot, "1")])) == [False, True], "a retry is allowed again"
    assert reconcile(ledgers=[hot.ledger, throttled.ledger, free.ledger]).is_clean


def test_what_a_round_cannot_answer_goes_alone_and_holds_no_other_back(observer: psycopg.Connection) -> None:
    caller, other, unknown = (caller_on_plan(NOW, [quota_of("9")]) for _ in range(3))
    assert [caller.passes(NOW), other.passes(NOW)] == [[True], [True]]
    assert passed(store([report(caller, "known")])) == [True]
    late = report(caller, "late")
    late = msgspec.structs.replace(late, ledger=replace(late.ledger, time_zone="Asia/Kolkata"))
    asked = [
        report(caller, "new"),
        report(caller, "new"),
        report(caller, "known", subject="another"),
        report(caller, "known", is_limited=False),
        late,
        report(unknown, "e"),
        report(other, "e"),
    ]
    with observer.transaction():
        observer.execute("SELECT pg_advisory_xact_lock(%s)", [other.ledger.lock_key])
        assert passed(store(asked)) == [True, None, None, None, None, None, None]
        assert passed(store([report(other, "u", is_limited=False), report(caller, "u", is_limited=False)])) == [
            None,
            True,
        ]
    assert passed(check([question(unknown), question(other)])) == [None, True]
    assert passed(store([report(other, "e")])) == [True]
    assert reconcile(ledgers=[caller.ledger, other.ledger]).is_clean


def test_a_round_that_fails_stores_nothing() -> None:
    caller = Caller(make_tenant("free"))
    broken = report(caller, "broken")
    broken = msgspec.structs.replace(broken, event=msgspec.structs.replace(broken.event, properties_json=b"{"))
    with pytest.raises(psycopg.DataError):
        store([report(caller, "right"), broken])
    assert caller.events_stored() == 0


def test_the_way_of_rounds_reads_no_event() -> None:
    caller = Caller(make_tenant("free"))
    assert passed(store([report(caller, "e")])) == [True]

    async def count() -> bytes | None:
        line = Line(WayIn.INGEST)
        try:
            return await line.hold(count_events())
        finally:
            line.close()

    assert asyncio.run(count()) == b"0"
    assert fetch_all("SELECT count(*) FROM event", {}) == [(1,)]


def count_events() -> Any:
    [found] = yield (b"SELECT count(*) FROM event",)
    return found


@pytest.fixture
def observer() -> Iterator[psycopg.Connection]:
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as observer:
        yield observer


def test_rounds_and_single_requests_agree_on_every_limit_of_periods_and_subjects() -> None:
    # Two tenants get the same requests, one in rounds of any size and one alone: both get the same decisions and rows.
    subject = {"scope": LimitScope.SUBJECT}
    limits = [
        quota_of("40"),
        quota_of("38", period=Period.BILLING),
        quota_of("8", period=Period.WEEK, **subject),
        quota_of("5", period=Period.DAY, **subject),
        quota_of("6", "api_bytes", period=Period.DAY, **subject),
    ]
    short, long = (caller_on_plan(NOW, limits, throttle=(1, 45), anchor_on=date(2026, 2, 28)) for _ in range(2))
    for caller in (short, long):
        budget_of(caller, "33", as_of=NOW)
        budget_of(caller, "3", as_of=NOW, scope=BudgetScope.SUBJECT, scope_id="dan", period=Period.WEEK)
    dice, subjects = random.Random(5), [None, "ann", "bob", "cid", "dan"]
    number = 0
    while number < 80:
        size = dice.randint(1, 9)
        requests = [
            {"event_id": f"e{number + n}", "subject": dice.choice(subjects), "properties": {"response_length": n % 3}}
            for n in range(size)
        ]
        number += size
        outcomes = store([counted(short, short.event(NOW, **one), is_limited=True) for one in requests])
        decisions = [
            short.authorize(NOW, **one).decision if outcome is None else outcome.decision
            for outcome, one in zip(outcomes, requests, strict=True)
        ]
        expected = [long.authorize(NOW, **one).decision for one in requests]
        assert [(one.is_allowed, one.refused_by) for one in decisions] == [
            (one.is_allowed, one.refused_by) for one in expected
        ]
    by_round, alone = rows(short), rows(long)
    for found in (by_round, alone):
        found["limit_counter"].sort(key=repr)
    assert by_round == alone
