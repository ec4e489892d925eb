"""An invoice has one row for each tax that its lines bear, on their sum."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.invoicing.computing import compute_invoice
from billing.domain.invoicing.lines import LineDraft
from billing.domain.invoicing.taxes import merchant_of, tax_rows
from billing.domain.tax import TaxCategory, TaxDecision, TaxTreatment
from tests.billing.domain.states import UNTAXED, VAT, state

EXEMPT = TaxDecision(TaxTreatment.EXEMPT, "VAT", Decimal(0), "Embassy.", TaxCategory.EXEMPT, "BE")
[FEE] = compute_invoice(state(0), usage=[], invoiced=[], credit_minor=0, taxes=UNTAXED).lines


def bearing(tax: TaxDecision | None, amount_minor: int) -> LineDraft:
    return replace(FEE, tax=tax, amount_minor=amount_minor)


def test_lines_of_one_rate_are_summed_before_the_tax_is_taken() -> None:
    lines = [bearing(VAT, 2), bearing(EXEMPT, 100), bearing(replace(VAT, percent=Decimal("21.0000")), 1)]
    rows = tax_rows(lines, "EUR")
    assert [(row.tax.category, row.base_minor, row.tax_minor) for row in rows] == [("S", 3, 1), ("E", 100, 0)]


def test_reasons_of_one_row_are_all_given() -> None:
    lines = [bearing(EXEMPT, 1), bearing(replace(EXEMPT, note="School."), 1), bearing(EXEMPT, 1)]
    [row] = tax_rows(lines, "EUR")
    assert (row.tax.note, row.base_minor) == ("Embassy. School.", 3)


def test_credit_has_no_row() -> None:
    assert tax_rows([bearing(None, -100)], "EUR") == ()


@given(st.lists(st.tuples(st.sampled_from([VAT, EXEMPT, None]), st.integers(-(10**9), 10**9))))
def test_giving_everything_back_gives_all_tax_back(charges: list[tuple[TaxDecision | None, int]]) -> None:
    lines = [bearing(tax, amount_minor) for tax, amount_minor in charges]
    back = [replace(line, amount_minor=-line.amount_minor) for line in lines]
    charged, given = tax_rows(lines, "EUR"), tax_rows(back, "EUR")
    assert [row.tax_minor for row in given] == [-row.tax_minor for row in charged]
    assert sum(row.base_minor for row in charged) == sum(line.amount_minor for line in lines if line.tax is not None)


def test_a_document_is_of_a_merchant_if_it_declares_all_that_is_charged() -> None:
    sold = TaxDecision(TaxTreatment.MERCHANT, "Paddle", Decimal(0), "Sold by Paddle.", TaxCategory.OUT_OF_SCOPE, "DE")

    def merchant(*lines: LineDraft) -> str:
        return merchant_of(tax_rows(lines, "EUR"))

    assert merchant(bearing(sold, 4900), bearing(sold, -100)) == "Paddle"
    assert merchant(bearing(sold, 0)) == "Paddle"
    assert merchant(bearing(sold, 4900), bearing(VAT, 0)) == "Paddle", "unused time of a free plan declares nothing"
    assert merchant(bearing(sold, 4900), bearing(VAT, -100)) == "", "a correction of an invoice is the issuer's"
    assert merchant(bearing(VAT, 4900)) == merchant() == ""
