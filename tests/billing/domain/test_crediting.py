"""How an amount over an invoice is spread, and what tax it bears: the tables of `docs/algorithms/invoicing.md`, C."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.crediting import Bearing, Creditable, creditable_minor, spread, tax_key, tax_rows_of
from billing.domain.invoicing.lines import owed_after_credit
from billing.domain.tax import TaxDecision, TaxTreatment
from tests.algorithm_pages import rows_below

HIGH, LOW = (TaxDecision(TaxTreatment.STANDARD, "VAT", Decimal(rate)) for rate in (21, 10))


def line(position: int, tax: TaxDecision, left_minor: int) -> Creditable:
    return Creditable(position, position, position, f"line {position}", tax, left_minor, left_minor)


LINES = [line(1, HIGH, 10_000), line(2, LOW, 5_000), line(3, LOW, 0)]
BASES = {tax_key(HIGH): Bearing(10_000, 0), tax_key(LOW): Bearing(5_000, 0)}
SPREAD = (
    "amount over the document", "of the usage at 21 %", "of the usage at 10 %", "tax at 21 %", "tax at 10 %", "total",
)  # fmt: skip


@pytest.mark.parametrize("row", rows_below("invoicing", *SPREAD))
def test_an_amount_is_spread_over_taxes_and_lines(row: list[str]) -> None:
    amount, high, low, high_tax, low_tax, total = map(int, row)
    amounts = spread(amount, LINES, BASES)
    assert amounts == {position: minor for position, minor in ((1, high), (2, low)) if minor}
    taxes = {row.tax.percent: row.tax_minor for row in tax_rows_of(amounts, LINES, BASES, "EUR")}
    assert (taxes.get(Decimal(21), 0), taxes.get(Decimal(10), 0)) == (high_tax, low_tax)
    assert sum(amounts.values()) + sum(taxes.values()) == total


@pytest.mark.parametrize("row", rows_below("invoicing", "owed now", "lines", "in all"))
def test_what_was_credited_is_not_given_back_again(row: list[str]) -> None:
    owed, lines, in_all = map(int, row)
    assert owed_after_credit(owed, credited_minor=3_000, stood_minor=10_000) == in_all == lines - 3_000


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=5), st.integers(0, 12_000), st.data())
def test_what_is_spread_sums_up_and_is_never_more_than_is_left(
    lefts: list[int], base: int, data: st.DataObject
) -> None:
    lines = [line(number, HIGH if number % 2 else LOW, left) for number, left in enumerate(lefts, start=1)]
    bases = {tax_key(HIGH): Bearing(base, 0), tax_key(LOW): Bearing(base, base // 2)}
    most = creditable_minor(lines, bases)
    if not most:
        assert spread(1, lines, bases) == {}
        return
    amount = data.draw(st.integers(1, most))
    amounts = spread(amount, lines, bases)
    assert sum(amounts.values()) == amount
    assert all(minor <= lefts[position - 1] for position, minor in amounts.items())
    assert all(
        row.base_minor <= bases[tax_key(row.tax)].left_minor for row in tax_rows_of(amounts, lines, bases, "EUR")
    )


@given(st.lists(st.integers(1, 500), min_size=1, max_size=8))
def test_the_taxes_of_parts_sum_to_that_of_the_whole(parts: list[int]) -> None:
    whole, before, taxes = sum(parts), 0, 0
    for part in parts:
        bases = {tax_key(HIGH): Bearing(whole, before)}
        [row] = tax_rows_of({1: part}, [line(1, HIGH, whole)], bases, "EUR")
        before, taxes = before + part, taxes + row.tax_minor
    assert taxes == HIGH.amount_minor(whole, "EUR")
