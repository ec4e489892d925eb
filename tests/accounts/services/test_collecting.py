"""Pausing the garbage collector."""

import gc

from accounts.services.collecting import without_collecting


def test_the_collector_is_paused_and_goes_on() -> None:
    with without_collecting():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_pause_within_a_pause_ends_with_the_outer_one() -> None:
    with without_collecting():
        with without_collecting():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
