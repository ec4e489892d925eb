"""The deadline of a request's external calls: a few seconds in total, however many calls it makes.

A job has no such deadline: it uses the longer timeouts, and the retries, of each client library.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from time import monotonic
from typing import Final, TypeVar

# The number of concurrent calls in a process. A call that hangs keeps its thread until the library gives up.
LINES_MAX: Final = 8
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)

Result = TypeVar("Result")


class OutOfTimeError(Exception):
    """There was no response within the request's time."""


@contextmanager
def waiting_at_most(seconds: int) -> Iterator[None]:
    """Limit all external calls in the block to this many seconds together."""
    token = _deadline.set(monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def is_in_request() -> bool:
    """Return whether a deadline is set, because a person is waiting."""
    return _deadline.get() is not None


def call_in_time(work: Callable[[], Result]) -> Result:
    """Run one external call, and give up at the deadline. Raises `OutOfTimeError`.

    Timeouts of sockets count from byte to byte, and a name look-up has none. So a call with a deadline runs in its own
    thread, which may outlive it. It must not touch the database.
    """
    until = _deadline.get()
    if until is None:
        return work()
    seconds = until - monotonic()
    if seconds <= 0:
        raise OutOfTimeError
    call = _lines().submit(work)
    try:
        return call.result(timeout=seconds)
    except TimeoutError as error:
        if call.done() and call.exception() is error:
            raise  # the call's own
        call.cancel()
        raise OutOfTimeError from error


@lru_cache(maxsize=1)
def _lines() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(LINES_MAX, thread_name_prefix="outside")
