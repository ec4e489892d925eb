"""Combining: what waits is one round; one that breaks it is found and sent alone; an outage is no one's fault."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest

from accounts.database.line import Line
from metering.domain.rounds import Outcome
from metering.services.rounds.combiner import REQUESTS_PER_ROUND_MAX, Combiner


@dataclass(frozen=True)
class Piece:
    number: int

    @property
    def api_key_id(self) -> UUID:
        return UUID(int=self.number)


class FakeLine:
    """Returns outcomes of rounds, or raises what it is told for a piece."""

    def __init__(self, errors: dict[int, BaseException] | None = None) -> None:
        self.rounds: list[list[int]] = []
        self.errors = errors or {}

    async def hold(self, pieces: Any) -> list[Outcome]:
        await asyncio.sleep(0)
        numbers = [piece.number for piece in pieces]
        self.rounds.append(numbers)
        for number in numbers:
            if number in self.errors:
                raise self.errors[number]
        return [Outcome() for _ in pieces]

    def close(self) -> None:
        self.rounds.append([])


def say(pieces: Any) -> Any:
    """Return the pieces themselves, for the fake line."""
    return pieces


def combine(line: FakeLine, count: int) -> tuple[list[bool], Combiner[Piece]]:
    async def run() -> tuple[list[bool], Combiner[Piece]]:
        combiner: Combiner[Piece] = Combiner(cast("Line", line), say)
        answers = [combiner.add(Piece(number)) for number in range(count)]
        await combiner.close()
        return [(await answer) is not None for answer in answers], combiner

    return asyncio.run(run())


def test_what_waits_is_one_round_up_to_a_bound() -> None:
    line = FakeLine()
    answered, _ = combine(line, REQUESTS_PER_ROUND_MAX + 2)
    assert answered == [True] * (REQUESTS_PER_ROUND_MAX + 2)
    assert [len(numbers) for numbers in line.rounds] == [REQUESTS_PER_ROUND_MAX, 2, 0], "and closing waits for both"


def test_a_request_that_breaks_rounds_is_found_and_its_key_goes_alone() -> None:
    line = FakeLine({5: psycopg.DataError("poison")})
    answered, combiner = combine(line, 8)
    assert answered == [number != 5 for number in range(8)]
    assert [number for number in range(8) if not combiner.takes(UUID(int=number))] == [5]


@pytest.mark.parametrize(
    ("error", "alone"),
    [
        (psycopg.OperationalError("gone"), False),
        (psycopg.errors.DeadlockDetected(), False),
        (psycopg.errors.LockNotAvailable(), True),
    ],
)
def test_a_round_that_cannot_be_held_answers_none(error: psycopg.Error, alone: bool) -> None:
    line = FakeLine({1: error})
    answered, combiner = combine(line, 3)
    assert (answered, len(line.rounds)) == ([False] * 3, 2), "it is not tried in halves"
    assert combiner.takes(UUID(int=0)) is not alone


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_error_of_our_own_leaves_no_request_waiting() -> None:
    async def run() -> list[Outcome | None]:
        combiner: Combiner[Piece] = Combiner(cast("Line", FakeLine({0: AssertionError("ours")})), say)
        answers = [combiner.add(Piece(number)) for number in range(REQUESTS_PER_ROUND_MAX + 1)]
        with pytest.raises(AssertionError):
            await combiner.close()
        return [await answer for answer in answers]

    assert asyncio.run(run()) == [None] * (REQUESTS_PER_ROUND_MAX + 1)
