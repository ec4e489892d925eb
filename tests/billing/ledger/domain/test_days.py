"""Brackets of age, by the table of docs/algorithms/ledger.md."""

from datetime import date

import pytest

from billing.ledger.domain.days import AgeBracket, age_bracket
from tests.algorithm_pages import rows_below


@pytest.mark.parametrize(("due_on", "at", "bracket"), rows_below("ledger", "due on", "at", "bracket"))
def test_the_age_of_a_receivable_is_as_documented(due_on: str, at: str, bracket: str) -> None:
    assert age_bracket(date.fromisoformat(due_on), date.fromisoformat(at)) == bracket


def test_a_receivable_is_current_before_it_is_due() -> None:
    assert age_bracket(date(2026, 3, 29), date(2026, 3, 1)) is AgeBracket.CURRENT
