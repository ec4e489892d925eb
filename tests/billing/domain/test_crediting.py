"""How an amount over an invoice is spread, and what tax it bears: the tables of `docs/algorithms/invoicing.md`, C."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.crediting import Bearing, Creditable, creditable_minor, spread, tax_key, tax_rows_of
from billing.domain.invoicing.lines import CreditInPart, owed_after_credits, unpaid_after_credits
from billing.domain.tax import TaxDecision, TaxTreatment
from tests.algorithm_pages import rows_below
from tests.billing.domain.states import invoiced, used

APRIL = datetime(2026, 4, 1, tzinfo=UTC)
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
    assert owed_after_credits(owed, [CreditInPart(1, 3_000, 10_000, APRIL)]) == in_all == lines - 3_000


def test_a_credit_of_usage_that_had_gone_away_does_not_hide_what_comes_later() -> None:
    # 30.00 of 100.00 are credited, 50.00 go away, 10.00 more are credited while lines of 80.00 stand (50.00 less
    # credit): in all 40.00. Then 20.00 come, and are charged in full.
    given = [CreditInPart(1, 3_000, 10_000, APRIL), CreditInPart(1, 1_000, 8_000, APRIL)]
    assert [owed_after_credits(owed, given) for owed in (4_000, 4_500, 5_000, 7_000, 12_000)] == [
        4_000, 4_000, 4_000, 6_000, 8_000,
    ]  # fmt: skip


@pytest.mark.parametrize("row", rows_below("invoicing", "credited", "unpaid", "now", "adjustment of both"))
def test_what_was_credited_of_an_invoice_that_was_given_up_is_not_unpaid(row: list[str]) -> None:
    credited, unpaid, now, adjustment = map(int, row)
    credits_given = (CreditInPart(1, credited, 12_000, APRIL),)
    assert unpaid_after_credits(10_000, {1}, credits_given) == unpaid
    known = invoiced(used(1_000), used(0), 12_000, unpaid_minor=unpaid, credits=credits_given, is_touched=True)
    assert known.difference_minor(now) == adjustment


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
