"""Credit has its tax in it, also where an invoice from before lines bore their tax left it."""

from billing.models import Invoice, InvoiceLine, LineKind
from billing.selectors.invoicing.credit import credit_of


def test_credit_of_an_old_invoice_is_worth_its_tax_too() -> None:
    line = InvoiceLine(invoice=Invoice(currency="EUR"), kind=LineKind.CARRY, amount_minor=4350)
    assert credit_of(line) == 4350
    line.tax_category, line.tax_treatment, line.tax_percent = "S", "standard", 21
    assert credit_of(line) == 4350 + 914
