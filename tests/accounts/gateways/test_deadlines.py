"""A request waits a bounded time for all its calls together. A job has no such bound."""

import threading

import pytest

from accounts.gateways.deadlines import OutOfTimeError, call_in_time, is_in_request, waiting_at_most


def test_a_job_waits_as_long_as_its_call_takes_and_in_its_own_thread() -> None:
    assert not is_in_request()
    assert call_in_time(threading.current_thread) is threading.current_thread()


@pytest.mark.takes_long("it waits for a deadline")
def test_a_request_does_not_wait_for_a_call_that_hangs() -> None:
    may_end = threading.Event()
    with waiting_at_most(1):
        assert is_in_request()
        assert call_in_time(lambda: "answer") == "answer"
        with pytest.raises(OutOfTimeError):
            call_in_time(lambda: may_end.wait(30))
        with pytest.raises(OutOfTimeError):  # nothing is left for a second call
            call_in_time(lambda: "answer")
    assert not is_in_request()
    may_end.set()


def test_an_error_inside_a_bounded_call_is_raised_unchanged() -> None:
    def refuse() -> None:
        raise TimeoutError("the call's own")

    with waiting_at_most(10), pytest.raises(TimeoutError, match="the call's own"):
        call_in_time(refuse)
