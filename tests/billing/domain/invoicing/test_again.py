"""Lines that are issued again keep everything but their tax."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from billing.domain.invoicing.again import credit_taken, lines_again
from billing.domain.invoicing.lines import ADJUSTMENT, CARRY, CREDIT_BEFORE, RECURRING, LineDraft
from billing.domain.tax import TaxDecision, TaxTable, TaxTreatment
from metering.domain.periods import Span

OLD, NEW, THEN = (TaxDecision(TaxTreatment.STANDARD, "VAT", Decimal(rate)) for rate in (19, 21, 7))
MARCH = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def line(kind: str, amount_minor: int, tax: TaxDecision | None = OLD, adjusts_id: int | None = None) -> LineDraft:
    return LineDraft(
        kind, "x", MARCH, Decimal(1), amount_minor, {}, adjusts_id=adjusts_id, tax=tax, supplied_on=date(2026, 3, 1)
    )


FEE, BACK, TAKEN, LEFT = (
    line(RECURRING, 100),
    line(ADJUSTMENT, -40, adjusts_id=7),
    replace(line(CARRY, -30, None), description=CREDIT_BEFORE),
    line(CARRY, 5, None),
)


def test_a_line_bears_what_follows_now_and_one_that_looks_back_what_it_corrects_bears() -> None:
    table = TaxTable(((None, NEW),))
    again = lines_again([FEE, BACK, TAKEN, LEFT], taxes=table, borne={7: THEN})
    assert again == [replace(FEE, tax=NEW), replace(BACK, tax=THEN)]


def test_only_what_was_taken_off_is_taken_again() -> None:
    assert credit_taken([FEE, BACK, TAKEN, LEFT]) == 30
    assert credit_taken([FEE]) == 0


def test_what_was_charged_since_earlier_invoices_used_too_much_is_charged_again() -> None:
    assert credit_taken([FEE, replace(TAKEN, amount_minor=20), LEFT]) == -20
