"""How long a request may wait for what is outside: a few seconds in all, however many calls it makes.

A job has no such deadline: it keeps the longer waits, and the retries, of each client library.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from time import monotonic
from typing import Final, TypeVar

# Calls that are under way at once in a process. Those that hang keep their thread until the library gives up.
LINES_MAX: Final = 8
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)

Result = TypeVar("Result")


class OutOfTimeError(Exception):
    """There was no answer within the request's time."""


@contextmanager
def waiting_at_most(seconds: int) -> Iterator[None]:
    """Give what happens inside so many seconds for all its calls together."""
    token = _deadline.set(monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def is_in_request() -> bool:
    """Return whether a deadline is set: a person waits."""
    return _deadline.get() is not None


def call_in_time(work: Callable[[], Result]) -> Result:
    """Make one call to the outside, and give up waiting for it at the deadline. Raises `OutOfTimeError`.

    Sockets' own timeouts count from byte to byte, and looking a name up has none; so a call with a deadline is made in
    a thread of its own, which may outlive it. It must not touch the database.
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
