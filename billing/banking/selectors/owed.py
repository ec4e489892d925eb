"""Invoices that a transfer may pay, of all customers, in one query."""

from billing.banking.domain.entries import StatedEntry
from billing.banking.domain.matching import OwedInvoice, OwedInvoices
from billing.banking.models import BankEntry
from billing.domain.statuses import InvoiceStatus
from billing.models import Invoice


def owed_invoices() -> OwedInvoices:
    """Return what is owed now: finalized and uncollectible invoices of which something is unpaid."""
    rows = (
        Invoice.objects.filter(
            status__in=[InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE], hold=None, merchant_of_record=""
        )
        .select_related("tenant")
        .order_by("due_on", "number")
    )
    return OwedInvoices(
        [
            OwedInvoice(
                row.pk, str(row.number), row.amount_due_minor, row.currency, (row.tenant.legal_name, row.tenant.name)
            )
            for row in rows.iterator()
            if row.amount_due_minor
        ]
    )


def stated(entry: BankEntry) -> StatedEntry:
    """Return a stored entry as a value."""
    return StatedEntry(
        entry.booked_on, entry.amount_minor, entry.currency, entry.text, entry.payer, entry.payer_account,
        entry.account, entry.bank_reference,
    )  # fmt: skip
