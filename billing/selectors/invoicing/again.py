"""An issued invoice computed again for the buyer as it is now: the same lines, with the taxes that follow."""

from billing.domain.invoicing.again import credit_taken, lines_again
from billing.domain.invoicing.computing import ComputedInvoice, settled
from billing.models import Invoice, InvoiceLine
from billing.selectors.invoicing.in_force import tax_borne, taxes_again
from billing.selectors.invoicing.invoices import line_draft_of, lines_of_invoice
from billing.selectors.invoicing.states import states_of_invoices
from billing.selectors.taxes import tax_tables


def is_from_before(invoice: Invoice) -> bool:
    """Return whether an invoice is from before lines bore their tax: what it would bear now cannot be told by line."""
    return InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision, supplied_on=None).exists()


def computed_again(invoice: Invoice) -> ComputedInvoice:
    """Compute what takes the place of an invoice of a period, or of one that was issued again before.

    Raises `UnbillableError`.
    """
    [state] = states_of_invoices([invoice.original or invoice])
    lines = list(lines_of_invoice(invoice))
    corrected = [line.adjusts for line in lines if line.adjusts is not None]
    again = taxes_again(corrected)
    drafts = [line_draft_of(line) for line in lines]
    charged = lines_again(
        drafts,
        taxes=tax_tables([invoice.tenant_id])[invoice.tenant_id],
        borne={line.pk: tax_borne(line, again) for line in corrected},
    )
    return settled(state, charged, credit_minor=credit_taken(drafts))
