"""Credit includes its tax, also if it comes from an invoice from before lines bore their tax."""

from billing.models import Invoice, InvoiceLine, LineKind
from billing.selectors.invoicing.credit import credit_of


def test_credit_of_an_old_invoice_includes_its_tax() -> None:
    line = InvoiceLine(invoice=Invoice(currency="EUR"), kind=LineKind.CARRY, amount_minor=4350)
    assert credit_of(line) == 4350
    line.tax_category, line.tax_treatment, line.tax_percent = "S", "standard", 21
    assert credit_of(line) == 4350 + 914
