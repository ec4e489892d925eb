"""Values that are remembered for less than a second."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.domain import short_memory
from accounts.domain.short_memory import MEMORY_AGE_MAX, ShortMemory

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def test_a_value_is_remembered_up_to_its_age_and_not_before_it_was_read() -> None:
    memory: ShortMemory[str, int] = ShortMemory()
    memory.keep("a", 1, NOW)
    assert timedelta(seconds=1) > MEMORY_AGE_MAX
    assert memory.recall("a", NOW + MEMORY_AGE_MAX - TICK) == 1
    assert memory.recall("a", NOW + MEMORY_AGE_MAX) is None
    assert memory.recall("a", NOW - TICK) is None  # the clock stepped back
    assert memory.recall("b", NOW) is None


def test_a_forgotten_value_is_gone() -> None:
    memory: ShortMemory[str, int] = ShortMemory()
    for name in "abc":
        memory.keep(name, 1, NOW)
    memory.forget("a")
    memory.forget("never there")
    assert [memory.recall(name, NOW) for name in "abc"] == [None, 1, 1]
    memory.forget_all()
    assert [memory.recall(name, NOW) for name in "abc"] == [None] * 3


def test_a_full_memory_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_memory, "_ENTRIES_MAX", 2)
    memory: ShortMemory[int, int] = ShortMemory()
    for number in range(3):
        memory.keep(number, number, NOW)
    assert [memory.recall(number, NOW) for number in range(3)] == [None, None, 2]
