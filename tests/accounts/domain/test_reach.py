"""Reach is nothing until it is set, and ends when its block ends."""

from collections.abc import Iterator
from threading import Thread
from uuid import uuid4

import pytest

from accounts.domain.reach import (
    NOTHING,
    Reach,
    WayIn,
    current_reach,
    keeping_reach,
    let_process_reach,
    reach_from_now_on,
    reaching,
    way_in,
    within_tenant,
)

ACME, RIVAL = uuid4(), uuid4()


def test_a_block_has_the_reach_that_it_names_until_it_ends() -> None:
    before = current_reach()
    with reaching(NOTHING):
        with way_in(WayIn.SIGN_IN):
            assert current_reach() == Reach(way_in=WayIn.SIGN_IN)
        assert current_reach() == NOTHING
    assert current_reach() == before


def test_a_request_names_its_tenant_and_its_middleware_ends_that() -> None:
    with reaching(NOTHING):
        with way_in(WayIn.NONE):
            reach_from_now_on(Reach(ACME))
            assert current_reach() == Reach(ACME)
        assert current_reach() == NOTHING


def test_a_thread_begins_with_what_its_process_reaches() -> None:
    seen: list[Reach] = []
    with reaching(Reach(ACME)):
        thread = Thread(target=lambda: seen.append(current_reach()))
        thread.start()
        thread.join(10)
        let_process_reach(WayIn.NONE)
        thread = Thread(target=lambda: seen.append(current_reach()))
        thread.start()
        thread.join(10)
    let_process_reach(WayIn.JOBS)
    assert seen == [Reach(way_in=WayIn.JOBS), NOTHING]


@pytest.mark.parametrize("way", [WayIn.INGEST, WayIn.SIGN_IN])
def test_a_narrow_way_in_reaches_one_tenant(way: WayIn) -> None:
    with way_in(way), within_tenant(ACME):
        assert current_reach() == Reach(ACME)
        with within_tenant(ACME):
            assert current_reach() == Reach(ACME)
        with pytest.raises(AssertionError, match="nothing of tenant"):
            within_tenant(RIVAL)


@pytest.mark.parametrize("way", [WayIn.STAFF, WayIn.JOBS])
def test_a_wide_way_in_stays_wide(way: WayIn) -> None:
    with way_in(way), within_tenant(ACME):
        assert current_reach() == Reach(way_in=way)


def test_reach_of_nothing_becomes_no_tenant() -> None:
    with reaching(NOTHING), pytest.raises(AssertionError, match="nothing of tenant"):
        within_tenant(ACME)


def test_a_stream_has_the_reach_of_its_request() -> None:
    def pieces() -> Iterator[Reach]:
        yield current_reach()
        yield current_reach()

    with reaching(Reach(ACME)):
        stream = keeping_reach(pieces())
    with reaching(NOTHING):
        assert next(stream) == Reach(ACME)
        assert current_reach() == NOTHING
        assert list(stream) == [Reach(ACME)]
