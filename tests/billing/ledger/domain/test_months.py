"""Months by their first days, and the digest of a month's sums."""

from dataclasses import replace
from datetime import date

import pytest

from billing.ledger.domain.months import MonthSum, digest_of_sums, month_after, months_between

SUM = MonthSum("EUR", "invoice", "tax", "", "", "DE", "S", "VAT", "19", "", -1900, 10000)


@pytest.mark.parametrize(
    ("first", "last", "months"),
    [
        ((2026, 3, 15), (2026, 3, 31), [(2026, 3, 1)]),
        ((2026, 11, 30), (2027, 1, 1), [(2026, 11, 1), (2026, 12, 1), (2027, 1, 1)]),
        ((2026, 4, 1), (2026, 3, 1), []),
    ],
)
def test_months_between(first: tuple[int, int, int], last: tuple[int, int, int], months: list[tuple[int, int, int]]) -> None:  # fmt: skip # noqa: E501
    assert months_between(date(*first), date(*last)) == [date(*month) for month in months]


def test_the_month_after() -> None:
    assert month_after(date(2026, 12, 1)) == date(2027, 1, 1)
    assert month_after(date(2026, 2, 1)) == date(2026, 3, 1)


def test_a_digest_covers_every_amount_and_stored_sums_are_read_again() -> None:
    assert MonthSum.read(SUM.stored()) == SUM
    assert digest_of_sums([SUM]) == digest_of_sums([MonthSum.read(SUM.stored())])
    others = {digest_of_sums([replace(SUM, **{name: 1})]) for name in ("amount_minor", "base_minor", "currency")}
    assert len({*others, digest_of_sums([SUM]), digest_of_sums([])}) == 5
