"""One lock order: ledger, reservation, counters, buckets, usage by the hour, then by the day. Off the plans, and raced.

Who decides by limits locks them first and claims identities afterwards; who only counts claims identities first.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected
from pytest_django import Settings

from accounts.errors import StoreUnavailableError
from accounts.sql import fetch_all
from metering.gateways.limit_stores import postgres
from metering.services import ingest, ledger_lock, new_events, voids
from metering.services.event_voids import void_counted_event
from metering.services.limits import authorization, summing_up
from metering.services.limits.counting import forget_counters, ingest_and_count
from metering.services.limits.reservations import commit_reservation, release_reservation, reserve
from metering.services.reconciliation import reconcile
from metering.services.rounds.statements import LOCK, STORE
from tests.databases import owner_url
from tests.faults.durable import await_that
from tests.metering.ledger_world import parsed
from tests.metering.services.limits.limit_world import Caller, caller_on_plan, quota_of

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
RACERS, EVENTS_PER_BATCH = 6, 10
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture(autouse=True)
def _limits_in_postgres(settings: Settings) -> None:
    settings.REDIS_URL = ""


@pytest.fixture
def observer() -> Iterator[psycopg.Connection]:
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as observer:
        yield observer


@pytest.fixture
def caller() -> Caller:
    """Return a caller whose limits are known to the store and never reached."""
    caller = caller_on_plan(NOW, [quota_of("1000000"), quota_of("1000000", "api_bytes")], throttle=(100000, 100000))
    assert caller.passes(NOW) == [True]
    return caller


def test_every_statement_that_counts_locks_in_one_order(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    locked: list[list[str]] = []
    for module in (postgres, ingest, new_events, voids, ledger_lock, summing_up):
        monkeypatch.setattr(module, "fetch_all", explaining(locked))

    assert caller.authorize(NOW, "e").decision.is_allowed
    ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=[caller.event(NOW)], as_of=NOW)
    void_counted_event(ledger=caller.ledger, event_id="e", reason="x", voided_by="x", as_of=NOW)
    caller.authorize(NOW)  # sums up what the void made unknown
    without_reservations = [*locked]
    locked.clear()
    reservation_id = hold(caller, "r")
    commit(caller, reservation_id)

    counting = ["event_identity", "event", "limit_counter", "usage_hour", "usage_day"]
    assert without_reservations[:5] == [
        ["limit_counter", "limit_bucket"],
        counting,
        counting,
        ["limit_counter"],
        ["event_void", "limit_counter", "usage_hour", "usage_day"],
    ]
    assert locked == [["limit_counter", "limit_bucket"], ["limit_counter", "limit_bucket"], counting]


@pytest.mark.parametrize(
    ("statement", "locked"),
    [
        (LOCK, ["limit_counter", "limit_bucket"]),
        (STORE, ["event_identity", "event", "limit_bucket", "limit_counter", "usage_hour", "usage_day"]),
    ],
    ids=["LOCK", "STORE"],
)
def test_rounds_lock_in_the_same_order(observer: psycopg.Connection, statement: str, locked: list[str]) -> None:
    # Buckets change only in rounds that hold them, and the counters, since `LOCK`.
    observer.execute("SET enable_seqscan = off")
    observer.execute("SET plan_cache_mode = force_generic_plan")
    raw = psycopg.RawCursor(observer)
    raw.execute(f"PREPARE round AS {statement}")
    nothing = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
    row = raw.execute(f"EXPLAIN (FORMAT JSON) EXECUTE round ({nothing})").fetchone()
    assert row is not None
    assert locked_by(row[0][0]["Plan"]) == locked


def test_postgresql_runs_parts_that_nothing_refers_to_from_the_last_to_the_first(observer: psycopg.Connection) -> None:
    observer.execute("CREATE TEMP TABLE ran (n serial, name text)")
    observer.execute("""
        WITH one AS (INSERT INTO ran (name) VALUES ('one')), two AS (INSERT INTO ran (name) VALUES ('two')),
        three AS (INSERT INTO ran (name) VALUES ('three')) SELECT
    """)
    assert observer.execute("SELECT array_agg(name ORDER BY n) FROM ran").fetchone() == (["three", "two", "one"],)


@pytest.mark.takes_long("many processes count at once")
def test_all_ways_to_count_on_one_tenant_wait_in_no_circle(caller: Caller, observer: psycopg.Connection) -> None:
    race(caller, turns=20)

    assert deadlocks(observer) == 0
    assert reconcile(ledgers=[caller.ledger]).is_clean


@pytest.mark.takes_long("PostgreSQL looks for a deadlock only after a second of waiting")
def test_the_same_with_limits_taken_last_deadlocks(
    caller: Caller, observer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorization, "_take_and_store", authorization._store_and_take)

    race(caller, turns=4)

    await_that(lambda: deadlocks(observer) > 0)


@pytest.mark.takes_long("PostgreSQL looks for a deadlock only after a second of waiting")
def test_summing_up_is_tried_again_after_a_deadlock(caller: Caller, observer: psycopg.Connection) -> None:
    assert any(breaks_who_sums_up(caller, observer) for _ in range(10))
    assert reconcile(ledgers=[caller.ledger]).is_clean


def breaks_who_sums_up(caller: Caller, observer: psycopg.Connection) -> bool:
    """Lock against the order while a request sums up; it passes. Return whether PostgreSQL broke it, and not us.

    It breaks whoever still waits after a second, and on a busy machine we may begin to wait too late.
    """
    with transaction.atomic():
        forget_counters(ledger=caller.ledger, as_of=NOW)
    with ThreadPoolExecutor(1) as pool:
        try:
            with observer.transaction():
                observer.execute("SELECT FROM limit_counter FOR UPDATE")
                asked = pool.submit(closing_connection, caller.passes, NOW)
                await_that(lambda: observer.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None)
                observer.execute("SELECT pg_advisory_xact_lock_shared(%s)", [caller.ledger.lock_key])
        except DeadlockDetected:
            return False
        finally:
            assert asked.result(60) == [True]
    return True


def closing_connection(work: Callable[..., Any], *asked: Any) -> Any:
    """Run work in a thread, and close the connection that it opened."""
    try:
        return work(*asked)
    finally:
        connection.close()


def race(caller: Caller, *, turns: int) -> None:
    """Count in every way, by threads with a connection of their own each."""
    with ThreadPoolExecutor(RACERS) as pool:
        for future in [pool.submit(apart, caller, racer, turns) for racer in range(RACERS)]:
            future.result(120)


def apart(caller: Caller, racer: int, turns: int) -> None:
    try:
        count_in_every_way(caller, racer, turns)
    finally:
        connection.close()


def count_in_every_way(caller: Caller, racer: int, turns: int) -> None:
    for turn in range(turns):
        event_id = f"{racer}-{turn}"
        try:
            assert caller.authorize(NOW, event_id).decision.is_allowed
            report(caller, [f"{event_id}-{n}" for n in range(EVENTS_PER_BATCH if turn % 2 else 1)])
            if turn % 5 == 0:
                void(caller, event_id)
            reservation_id = hold(caller, f"{event_id}-held")
            (commit if turn % 2 else release)(caller, reservation_id)
        except (OperationalError, StoreUnavailableError):
            continue  # the control's: given up after its tries


def report(caller: Caller, ids: list[str]) -> None:
    events = parsed([{"id": id_, "type": "http_request"} for id_ in ids], as_of=NOW)
    ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=events, as_of=NOW)


def void(caller: Caller, event_id: str) -> None:
    void_counted_event(ledger=caller.ledger, event_id=event_id, reason="x", voided_by=str(uuid4()), as_of=NOW)


def hold(caller: Caller, event_id: str) -> UUID:
    event = caller.event(NOW, event_id)
    reserved = reserve(
        principal=caller.principal, tenant=caller.tenant, event=event, expires_in_seconds=60, as_of=NOW
    ).reservation
    assert reserved is not None
    return reserved.id


def commit(caller: Caller, reservation_id: UUID) -> None:
    commit_reservation(
        principal=caller.principal, tenant=caller.tenant, reservation_id=reservation_id, quantity=None, as_of=NOW
    )


def release(caller: Caller, reservation_id: UUID) -> None:
    release_reservation(principal=caller.principal, tenant=caller.tenant, reservation_id=reservation_id, as_of=NOW)


def deadlocks(observer: psycopg.Connection) -> int:
    row = observer.execute(DEADLOCKS).fetchone()
    assert row is not None
    return int(row[0])


# What a plan locks, in the order in which it does


def explaining(locked: list[list[str]]) -> Callable[..., list[tuple[Any, ...]]]:
    """Return `fetch_all` that first notes what the statement will lock."""

    def explain_and_fetch(statement: str, parameters: dict[str, object]) -> list[tuple[Any, ...]]:
        [[[plan]]] = fetch_all(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        if relations := locked_by(plan["Plan"]):
            locked.append(relations)
        return fetch_all(statement, parameters)

    return explain_and_fetch


def locked_by(plan: dict[str, Any]) -> list[str]:
    """Return the relations that a plan locks: rows held, then parts that are read, then the others, last to first."""
    nodes = list(nodes_of(plan))
    read = {node["CTE Name"] for node in nodes if node["Node Type"] == "CTE Scan"}
    held = [relation_below(node) for node in nodes if node["Node Type"] == "LockRows"]
    writes = [node for node in nodes if node["Node Type"] == "ModifyTable" and node["Relation Name"] not in held]
    of_parts = [(node.get("Subplan Name", "").removeprefix("CTE "), node["Relation Name"]) for node in writes]
    in_use = [relation for part, relation in of_parts if part in read or not part]
    return held + in_use + [relation for part, relation in reversed(of_parts) if part and part not in read]


def relation_below(node: dict[str, Any]) -> str:
    return next(one["Relation Name"] for one in nodes_of(node) if one.get("Relation Name"))


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes_of(inner)
