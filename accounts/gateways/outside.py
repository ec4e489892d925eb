"""The way to whatever is asked over the network: a deadline for requests, and a circuit breaker for all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from opentelemetry.trace import SpanKind

from accounts.gateways.circuits import CircuitOpenError, admit, record_answer, record_failure
from accounts.gateways.deadlines import OutOfTimeError, call_in_time
from accounts.tracing import span

# Why there was no answer, and none of ours or theirs was at fault.
NO_ANSWER: Final = (CircuitOpenError, OutOfTimeError)

Result = TypeVar("Result")


@contextmanager
def breaker(name: str, outages: tuple[type[Exception], ...]) -> Iterator[None]:
    """Make calls inside only while `name` answers. An error of `outages` means that it did not; any other is an answer.

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
            record_answer(admission)


def ask(name: str, work: Callable[[], Result], outages: tuple[type[Exception], ...]) -> Result:
    """Make one call to `name` in the request's time.

    Raises `CircuitOpenError`, `OutOfTimeError`, and the call's own.
    """
    with breaker(name, outages):
        return call_in_time(work)
