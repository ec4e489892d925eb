"""The server is given the reach when it changes, never too late, and never the reach of another request."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from django.db import DataError, connection, transaction

from accounts.database import base
from accounts.domain.reach import NOTHING, Reach, WayIn, reaching, way_in
from accounts.sql import fetch_all

TOLD = "SELECT current_setting('countinghouse.way', true), current_setting('countinghouse.tenant', true)"
ACME, RIVAL = uuid4(), uuid4()


def told() -> tuple[str, str]:
    """Return the reach that the server has during a statement of Django's. Fail if our own statements see another."""
    with connection.cursor() as cursor:
        cursor.execute(TOLD)
        [by_django] = cursor.fetchall()
    [by_ours] = fetch_all(TOLD)
    assert by_django == by_ours
    return by_django[0] or "", by_django[1] or ""


@pytest.fixture(params=[False, True], ids=["direct", "pooled"])
def kept(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[bool]:
    """Open a connection of its own, directly or as behind a transaction pooler. Yield whether a pooler is assumed."""
    connection.close()
    connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = request.param
    connection.settings_dict["OPTIONS"]["prepare_threshold"] = None if request.param else 5
    yield request.param
    connection.close()
    connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = False
    connection.settings_dict["OPTIONS"]["prepare_threshold"] = 5


def test_each_statement_has_the_reach_of_its_moment(kept: bool) -> None:
    with reaching(Reach(ACME)):
        assert told() == ("", str(ACME))
        with way_in(WayIn.INGEST):
            assert told() == ("ingest", "")
        assert told() == ("", str(ACME))
    with reaching(NOTHING):
        assert told() == ("", "")


def test_a_savepoint_that_another_reach_takes_back_leaves_that_reach(kept: bool) -> None:
    with transaction.atomic():
        with reaching(Reach(RIVAL)):
            savepoint = transaction.savepoint()
        with reaching(Reach(ACME)):
            transaction.savepoint_rollback(savepoint)
            assert told() == ("", str(ACME))


def test_a_rollback_takes_nothing_back_unseen(kept: bool) -> None:
    with reaching(Reach(RIVAL)):
        told()
    with reaching(Reach(ACME)):
        with transaction.atomic():
            assert told() == ("", str(ACME))
            transaction.set_rollback(True)
        assert told() == ("", str(ACME))
        with transaction.atomic():
            with transaction.atomic(), reaching(Reach(RIVAL)):
                assert told() == ("", str(RIVAL))
                transaction.set_rollback(True)
            assert told() == ("", str(ACME))


def test_behind_a_pooler_the_session_is_left_as_it_was_found(kept: bool) -> None:
    # A pooler gives the session to another client next. Without one, the session is ours and gets each change.
    with reaching(Reach(ACME)):
        told()
        with transaction.atomic():
            told()
    left = psycopg.RawCursor(connection.connection).execute(TOLD).fetchone()
    assert [value or "" for value in left] == (["", ""] if kept else ["", str(ACME)])


def test_a_new_connection_reaches_nothing_before_its_reach_is_set(kept: bool) -> None:
    with reaching(Reach(ACME)):
        told()
        connection.close()
        assert told() == ("", str(ACME))


@pytest.mark.django_db(transaction=True)
def test_requests_of_one_kind_set_the_reach_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Reach] = []
    send = base.set_reach

    def send_and_note(server: psycopg.Connection, statement: str, reach: Reach) -> None:
        sent.append(reach)
        send(server, statement, reach)

    monkeypatch.setattr(base, "set_reach", send_and_note)
    for tenant_id in (ACME, RIVAL, ACME):
        with reaching(Reach(tenant_id)), way_in(WayIn.INGEST):
            told()
    assert [reach.way_in for reach in sent] == [WayIn.INGEST]


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 30, 0, 500_000, tzinfo=UTC),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, tzinfo=UTC),
    ],
)
def test_instants_are_read_to_the_microsecond_in_utc(db: None, instant: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [instant])
        [(read,)] = cursor.fetchall()
    assert (read, read.tzinfo) == (instant, UTC)


def test_an_instant_out_of_range_is_refused_as_the_driver_does(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT '10000-01-01 00:00+00'::timestamptz")
        with pytest.raises(DataError, match="too large"):
            cursor.fetchall()
