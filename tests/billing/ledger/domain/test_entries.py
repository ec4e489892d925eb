"""The postings of each event: the tables of docs/algorithms/ledger.md, and that debit and credit agree in any case."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.ledger.domain.accounts import FEE, LedgerAccount
from billing.ledger.domain.entries import (
    BookedDocument,
    Earned,
    Movement,
    TaxSum,
    allocated,
    credited,
    disputed,
    finalized,
    paid,
    recovered,
    recovers,
    refunded,
    released,
    rounded,
    set_off,
    taken_back,
    written_off,
)
from tests.algorithm_pages import rows_below
from tests.billing.ledger.books import Row, rows_of

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
DUE_ON = date(2026, 3, 29)


def vat(base_minor: int) -> TaxSum:
    return TaxSum("DE", "S", "VAT", Decimal(19), base_minor, base_minor * 19 // 100)


INV_1 = BookedDocument(
    "INV-1",
    DUE_ON,
    (Earned(FEE, MARCH, 3400), Earned(FEE, APRIL, 2800), Earned("calls", MARCH, 3800)),
    (vat(10000),),
    0,
    11900,
)
INV_2 = BookedDocument("INV-2", DUE_ON, (Earned(FEE, MARCH, -5000),), (TaxSum("DE", "S", "VAT", Decimal(19), -5000, -950),), 5950, 0)  # fmt: skip # noqa: E501
INV_3 = BookedDocument("INV-3", DUE_ON, (Earned(FEE, MARCH, 10000),), (vat(10000),), -5950, 5950)
PART = BookedDocument("CN-1", None, (Earned("calls", MARCH, 1900),), (vat(1900),), 0, 2261)
RECEIVABLE, REFUND_DUE = LedgerAccount.RECEIVABLE, LedgerAccount.REFUND_DUE
VOID = taken_back(finalized(INV_1), {RECEIVABLE: 11900}, invoice="INV-1")

EVENTS: dict[str, tuple[Movement, ...]] = {
    "finalized": finalized(INV_1),
    "released in April": released([Earned(FEE, APRIL, -2800)]),
    "paid": paid(invoice="INV-1", amount_minor=11900, allocated_minor=11900, provider="stripe"),
    "paid in part": paid(invoice="INV-1", amount_minor=5000, allocated_minor=5000, provider="manual"),
    "overpaid": paid(invoice="INV-1", amount_minor=13000, allocated_minor=11900, provider="manual"),
    "allocated": allocated(invoice="INV-3", amount_minor=1100),
    "voided in March": VOID,
    "voided in April": VOID,
    "credited, to be refunded": taken_back(finalized(INV_1), {RECEIVABLE: 0, REFUND_DUE: 11900}, invoice="INV-1"),
    "credited in part": credited(PART, {RECEIVABLE: 2261}, invoice="INV-1"),
    "written off": written_off(invoice="INV-1", open_minor=11900),
    "recovered": recovered(invoice="INV-1", written_off_minor=11900),
    "recovered in part": recovered(invoice="INV-1", written_off_minor=5000),
    "disputed": disputed(amount_minor=11900, provider="stripe"),
    "dispute over": disputed(amount_minor=-11900, provider="stripe"),
    "refunded": refunded(amount_minor=11900, provider="stripe", out_of=REFUND_DUE),
    "credit left": finalized(INV_2),
    "credit used": finalized(INV_3),
    "set off": set_off(invoice="INV-1", amount_minor=5950),
    "rounded": rounded(invoice="INV-1", amount_minor=1),
}


def rows_on_page(event: str, *, with_deferred: bool) -> list[Row]:
    """Return the page's postings of an event. Before posting, revenue to be deferred is revenue like the rest."""
    rows = [row for row in rows_below("ledger", "event", "account", "of", "amount") if row[0] == event]
    names = {} if with_deferred or event.startswith("released") else {"deferred": "revenue"}
    return sorted((names.get(account, account), of, int(amount)) for _, account, of, amount in rows)


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_posts_what_is_documented(event: str) -> None:
    assert rows_of(EVENTS[event]) == rows_on_page(event, with_deferred=False)


def test_every_documented_event_is_tested() -> None:
    assert {row[0] for row in rows_below("ledger", "event", "account", "of", "amount")} == set(EVENTS)


amounts = st.integers(-(10**9), 10**9)


@given(
    earned=st.lists(st.tuples(st.sampled_from(["calls", FEE]), st.sampled_from([MARCH, APRIL]), amounts), max_size=6),
    bases=st.lists(amounts, max_size=3),
    carried=amounts,
)
def test_debit_and_credit_agree_and_a_reversal_leaves_zero(
    earned: list[tuple[str, date, int]], bases: list[int], carried: int
) -> None:
    taxes = tuple(vat(base) for base in bases)
    parts = tuple(Earned(*part) for part in earned)
    total = sum(part.amount_minor for part in parts) + sum(tax.tax_minor for tax in taxes) + carried
    invoice = BookedDocument("INV-9", DUE_ON, parts, taxes, carried, total)
    moved = finalized(invoice)
    assert sum(movement.amount_minor for movement in moved) == 0
    back = taken_back(moved, {RECEIVABLE: total}, invoice="INV-9")
    left: dict[tuple[object, ...], int] = {}
    for movement in (*moved, *back):
        key = (movement.account, movement.meter, movement.service_month, movement.tax_percent)
        left[key] = left.get(key, 0) + movement.amount_minor
    assert set(left.values()) <= {0}
    assert sum(movement.base_minor or 0 for movement in (*moved, *back)) == 0


def test_a_document_whose_sums_differ_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="debit and credit differ"):
        finalized(BookedDocument("INV-1", DUE_ON, (Earned(FEE, MARCH, 100),), (), 0, 99))


def test_a_tax_of_zero_still_has_its_base() -> None:
    reverse_charge = TaxSum("FR", "AE", "VAT", Decimal(0), 100, 0)
    [_, _, tax] = finalized(BookedDocument("INV-1", DUE_ON, (Earned(FEE, MARCH, 100),), (reverse_charge,), 0, 100))
    assert (tax.account, tax.amount_minor, tax.base_minor) == (LedgerAccount.TAX, 0, 100)


@pytest.mark.parametrize("account", [LedgerAccount.RECEIVABLE, LedgerAccount.REVENUE, LedgerAccount.CLEARING])
def test_only_the_customers_money_is_paid_back(account: LedgerAccount) -> None:
    with pytest.raises(AssertionError, match="the customer's"):
        refunded(amount_minor=1, provider="stripe", out_of=account)
    with pytest.raises(AssertionError, match="lowers the debt"):
        credited(PART, {LedgerAccount.CLEARING: 2261}, invoice="INV-1")


def test_what_is_open_beside_a_write_off_is_paid_first() -> None:
    heads = ("due", "written off", "comes in", "recovered", "open after", "written off after")
    for due, lost, comes, back, open_after, lost_after in (map(int, row) for row in rows_below("ledger", *heads)):
        assert recovers(comes, open_minor=due - lost, written_off_minor=lost) == back
        assert (due - lost + back - comes, lost - back) == (open_after, lost_after)
