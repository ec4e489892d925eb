"""Paying an invoice by transfer: its reference, and the code that a banking app scans."""

from django.utils.safestring import SafeString, mark_safe

from billing.domain.transfers import creditor_reference, printed_reference, transfer_code
from billing.models import Invoice, Issuer
from billing.rendering.services.transfer_codes import code_as_svg


def reference_of(invoice: Invoice) -> str:
    """Return the structured reference of an issued invoice, as it is printed."""
    assert invoice.number is not None, "only an issued invoice is paid"
    return printed_reference(creditor_reference(invoice.number))


def transfer_code_of(invoice: Invoice, issuer: Issuer) -> SafeString | str:
    """Return the code over what is due, as SVG; empty without an IBAN of the seller, or if it is not in euros."""
    assert invoice.number is not None, "as above"
    code = transfer_code(
        name=issuer.legal_name,
        bank_account=issuer.bank_account,
        amount_minor=invoice.amount_due_minor,
        currency=invoice.currency,
        number=invoice.number,
    )
    return "" if code is None else mark_safe(code_as_svg(code))  # noqa: S308 - the library's own drawing
