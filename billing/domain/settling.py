"""Which money settles what: pure, in minor units of one currency."""

from collections.abc import Sequence
from typing import TypeVar

Key = TypeVar("Key")


def shares_for(due_minor: int, money: Sequence[tuple[Key, int]]) -> list[tuple[Key, int]]:
    """Return how much of each money, in its order, pays what is due; money that is not needed is not named."""
    shares = []
    for key, left_minor in money:
        share = min(due_minor, left_minor)
        if share > 0:
            shares.append((key, share))
            due_minor -= share
    return shares
