"""An issued invoice computed again for the buyer as it is now: the same lines, with the taxes that follow."""

from collections.abc import Iterator, Mapping, Sequence

from django.db.models import F

from billing.domain.crediting import tax_key
from billing.domain.invoicing.again import credit_taken, lines_again
from billing.domain.invoicing.computing import ComputedInvoice, settled
from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxDecision
from billing.models import Invoice, InvoiceLine, LineKind
from billing.selectors.invoicing.in_force import IS_TAKEN_BACK, tax_borne, taxes_again
from billing.selectors.invoicing.invoices import line_draft_of, lines_of_invoice
from billing.selectors.invoicing.states import states_of_invoices
from billing.selectors.taxes import tax_tables


def is_from_before(invoice: Invoice) -> bool:
    """Return whether an invoice is from before lines bore their tax: what it would bear now cannot be told by line."""
    return InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision, supplied_on=None).exists()


def computed_again(invoice: Invoice) -> list[tuple[Invoice, ComputedInvoice]]:
    """Compute what takes the place of an invoice of a period, or of one that was issued again before.

    After it comes each later document in force that would correct a line with a tax that this line no longer bears, in
    the order of their boundaries, with what takes its place. Raises `UnbillableError`.
    """
    found: list[tuple[Invoice, ComputedInvoice]] = []
    changed: dict[int, TaxDecision | None] = {}
    waiting = {invoice.boundary_closed: invoice}
    while waiting:
        one = waiting.pop(min(waiting))
        lines = list(lines_of_invoice(one))
        computed = _computed(one, lines, changed)
        found.append((one, computed))
        own = _taxes_by_line(one, lines, computed)
        changed |= own
        waiting |= {later.boundary_closed: later for later in _looking_back(own)}
    return found


def _computed(
    invoice: Invoice, lines: Sequence[InvoiceLine], changed: Mapping[int, TaxDecision | None]
) -> ComputedInvoice:
    """Compute one; `changed` is what lines of earlier invoices will bear, by their ids."""
    [state] = states_of_invoices([invoice.original or invoice])
    corrected = [line.adjusts for line in lines if line.adjusts is not None]
    again = taxes_again(corrected)
    drafts = [line_draft_of(line) for line in lines]
    charged = lines_again(
        drafts,
        taxes=tax_tables([invoice.tenant_id])[invoice.tenant_id],
        borne={line.pk: changed.get(line.pk, tax_borne(line, again)) for line in corrected},
    )
    return settled(state, charged, credit_minor=credit_taken(drafts))


def _taxes_by_line(
    invoice: Invoice, lines: Sequence[InvoiceLine], computed: ComputedInvoice
) -> dict[int, TaxDecision | None]:
    """Return which tax each line of the period's invoice will bear: later invoices look at those lines."""
    original = InvoiceLine.objects.filter(invoice=invoice.original or invoice, revision=F("invoice__revision"))
    places = dict(original.values_list("position", "pk"))
    bearing = [line for line in lines if line.kind != LineKind.CARRY]
    return {places[line.position]: draft.tax for line, draft in zip(bearing, computed.lines, strict=False)}


def _looking_back(taxes: Mapping[int, TaxDecision | None]) -> Iterator[Invoice]:
    """Yield the documents in force with a line that corrects one of these and does not bear its tax."""
    correcting = (
        InvoiceLine.objects.filter(~IS_TAKEN_BACK, adjusts__in=list(taxes), revision=F("invoice__revision"))
        .exclude(invoice__status=InvoiceStatus.DRAFT)
        .exclude(amount_minor=0)
    )
    for line in correcting.select_related("invoice__tenant", "invoice__subscription", "invoice__original"):
        tax = taxes[line.adjusts_id or 0]
        if line.tax is None or tax is None or tax_key(line.tax) != tax_key(tax):
            yield line.invoice
