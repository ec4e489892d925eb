"""The age of receivables: `docs/algorithms/ledger.md`, section L6. Pure."""

from datetime import date
from enum import StrEnum


class AgeBracket(StrEnum):
    """The number of days since an amount fell due."""

    CURRENT = "current"
    TO_30 = "1\N{EN DASH}30"
    TO_60 = "31\N{EN DASH}60"
    TO_90 = "61\N{EN DASH}90"
    OVER_90 = "over 90"


def age_bracket(due_on: date, at: date) -> AgeBracket:
    """Return the age bracket, at a day, of an amount that was due on another."""
    days = (at - due_on).days
    for most, bracket in zip((0, 30, 60, 90), AgeBracket, strict=False):
        if days <= most:
            return bracket
    return AgeBracket.OVER_90
