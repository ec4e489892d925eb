"""What lines that settle credit come to for the customer."""

from billing.models import InvoiceLine


def credit_of(line: InvoiceLine) -> int:
    """Return what a carry line adds to the customer's credit, or takes off it, tax included.

    On invoices from before lines bore their tax, credit was taken off before tax: there it is worth its tax, too.
    """
    tax = line.tax
    return line.amount_minor + (0 if tax is None else tax.amount_minor(line.amount_minor, line.invoice.currency))
