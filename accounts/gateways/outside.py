"""Calls to external services: a deadline in requests, and a circuit breaker for all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from opentelemetry.trace import SpanKind

from accounts.gateways.circuits import CircuitOpenError, admit, record_failure, record_success
from accounts.gateways.deadlines import OutOfTimeError, call_in_time
from accounts.tracing import span

# The call was not made, or ran out of time: neither we nor the service made an error.
NO_ANSWER: Final = (CircuitOpenError, OutOfTimeError)

Result = TypeVar("Result")


@contextmanager
def breaker(name: str, outages: tuple[type[Exception], ...]) -> Iterator[None]:
    """Guard calls to the service `name` in the block. An error of `outages` counts as a failure, any other does not.

    Raises `CircuitOpenError` without a call.
    """
    admission = admit(name)
    no_answer: tuple[type[Exception], ...] = (*outages, OutOfTimeError)
    is_answered = True
    try:
        with span(f"call {name}", SpanKind.CLIENT, attributes={"peer.service": name}):
            yield
    except no_answer as error:
        is_answered = False
        record_failure(admission, f"{type(error).__name__}: {error}")
        raise
    finally:
        if is_answered:
            record_success(admission)


def call_outside(name: str, work: Callable[[], Result], outages: tuple[type[Exception], ...]) -> Result:
    """Call the service `name` within the request's time.

    Raises `CircuitOpenError`, `OutOfTimeError`, and the call's own errors.
    """
    with breaker(name, outages):
        return call_in_time(work)
