"""What of invoices is written off, by the ledger of accounts."""

from billing.ledger.domain.accounts import LedgerAccount
from billing.ledger.selectors.documents import balance_of_document
from billing.models import Invoice


def written_off_minor(invoice: Invoice) -> int:
    """Return what of an invoice is written off and has not come in since."""
    if invoice.uncollectible_at is None:
        return 0
    return balance_of_document(
        tenant_id=invoice.tenant_id, document=invoice.number or "", account=LedgerAccount.WRITE_OFF
    )


def unwritten_minor(invoice: Invoice) -> int:
    """Return what is unpaid of an invoice and not written off."""
    return invoice.amount_due_minor - written_off_minor(invoice)
