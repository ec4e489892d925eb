"""Calls that start at one instant, each on a connection of its own."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from django.db import IntegrityError, connection

from accounts.errors import ProblemError

DONE: Final = "done"


def at_once(*works: Callable[[], object]) -> list[str]:
    """Start all calls at one instant. Return the sorted results."""
    ends = [""] * len(works)
    start = threading.Barrier(len(works))

    def run(position: int, work: Callable[[], object]) -> None:
        try:
            start.wait(timeout=30)
            work()
            ends[position] = DONE
        except (ProblemError, IntegrityError) as error:
            ends[position] = type(error).__name__
        finally:
            connection.close()

    _run_all(run, works)
    return sorted(ends)


def both_at_once(*works: Callable[[], object]) -> list[str]:
    """Start all calls at one instant. Return the sorted classes of what they return, or of their refusals."""
    ends = [""] * len(works)
    start = threading.Barrier(len(works))

    def run(position: int, work: Callable[[], object]) -> None:
        try:
            start.wait(timeout=120)
            ends[position] = type(work()).__name__
        except ProblemError as error:
            ends[position] = type(error).__name__
        finally:
            connection.close()

    _run_all(run, works)
    return sorted(ends)


def _run_all(run: Callable[[int, Callable[[], object]], None], works: Sequence[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
