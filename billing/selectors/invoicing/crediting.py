"""What of an issued invoice may still be credited in part."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce

from billing.domain.crediting import Bearing, Creditable, TaxKey, creditable_minor, tax_key
from billing.domain.statuses import InvoiceStatus
from billing.models import CreditNote, Invoice, InvoiceLine, LineKind
from billing.selectors.invoicing.credits_in_part import credits_in_part
from billing.selectors.invoicing.in_force import IS_GONE
from billing.selectors.invoicing.invoices import lines_of_invoice, taxes_of_invoice

_USED = (LineKind.USAGE, LineKind.ADJUSTMENT)


@dataclass(frozen=True, slots=True)
class Left:
    """The lines of an invoice that charge something, and its taxes, with what of them may still be credited."""

    lines: tuple[Creditable, ...]
    bases: dict[TaxKey, Bearing]

    @property
    def left_minor(self) -> int:
        """Return how much may be credited, without tax."""
        return creditable_minor(self.lines, self.bases)


def left_of(invoice: Invoice) -> Left:
    """Return what may still be credited of an issued invoice whose lines bear their tax.

    Of usage no more than stands of it with its corrections; of a fee nothing until its period is invoiced, since some
    of it may be given back until then.
    """
    lines = [line for line in lines_of_invoice(invoice) if line.amount_minor > 0 and line.tax is not None]
    original = invoice.original_id or invoice.pk
    places = dict(
        InvoiceLine.objects.filter(invoice=original, revision=F("invoice__revision")).values_list("position", "pk")
    )
    before = _credited_before(invoice)
    stands = _stands([line for line in lines if line.kind in _USED], places)
    credited = credits_in_part({invoice.subscription_id})
    given_back, is_closed = _given_back(original), _is_closed(invoice)
    found = []
    for line in lines:
        assert line.tax is not None, "it was asked for above"
        root_id = line.adjusts_id if line.kind == LineKind.ADJUSTMENT and line.adjusts_id else places[line.position]
        left_minor, stood_minor = line.amount_minor - before[line.position], line.amount_minor
        if line.kind in _USED:
            stood_minor = stands[root_id]
            left_minor = min(left_minor, stood_minor - sum(one.amount_minor for one in credited.get(root_id, ())))
        elif line.kind == LineKind.RECURRING:
            left_minor = left_minor - given_back[places[line.position]] if is_closed else 0
        line_id = places[line.position]
        found.append(
            Creditable(line_id, root_id, line.position, line.description, line.tax, max(left_minor, 0), stood_minor)
        )
    return Left(tuple(found), _bases(invoice, lines, before))


def _bases(invoice: Invoice, lines: Sequence[InvoiceLine], before: dict[int, int]) -> dict[TaxKey, Bearing]:
    credited: dict[TaxKey, int] = defaultdict(int)
    for line in lines:
        assert line.tax is not None, "only lines that bear a tax are credited"
        credited[tax_key(line.tax)] += before[line.position]
    return {tax_key(row.tax): Bearing(row.base_minor, credited[tax_key(row.tax)]) for row in taxes_of_invoice(invoice)}


def _credited_before(invoice: Invoice) -> dict[int, int]:
    """Return by position what was credited of the invoice's lines."""
    before: dict[int, int] = defaultdict(int)
    for lines in CreditNote.objects.filter(part_of=invoice).values_list("credited_lines", flat=True):
        for line in lines:
            before[line["position"]] += line["amount_minor"]
    return before


def _stands(lines: Sequence[InvoiceLine], places: dict[int, int]) -> dict[int, int]:
    """Return by usage line what stands of it in force, with its corrections."""
    roots = {line.adjusts_id or places[line.position] for line in lines}
    in_force = (
        InvoiceLine.objects.filter(
            Q(pk__in=roots) | Q(adjusts__in=roots), invoice__boundary__isnull=False, revision=F("invoice__revision")
        )
        .exclude(IS_GONE)
        .exclude(invoice__status=InvoiceStatus.DRAFT)
    )
    of_roots = in_force.order_by().annotate(root=Coalesce("adjusts_id", "pk"))
    return defaultdict(int, of_roots.values_list("root").annotate(Sum("amount_minor")))


def _given_back(original_id: UUID) -> dict[int, int]:
    """Return by fee what later invoices gave back of it.

    Also if that counts no more, since it may come again, and if it was withheld while the fee was unpaid.
    """
    shares = InvoiceLine.objects.filter(
        adjusts__invoice=original_id, kind=LineKind.PRORATION, amount_minor__lte=0, revision=F("invoice__revision")
    ).exclude(invoice__status=InvoiceStatus.DRAFT)
    given: dict[int, int] = defaultdict(int)
    for line_id, minor, explanation in shares.values_list("adjusts_id", "amount_minor", "explanation"):
        given[line_id] += explanation.get("withheld_minor", 0) - minor
    return given


def _is_closed(invoice: Invoice) -> bool:
    """Return whether the period whose fee it has is invoiced: nothing of the fee is given back any more."""
    if invoice.boundary is None and invoice.original is None:
        return True
    later = Invoice.objects.issued().filter(subscription=invoice.subscription_id)
    return later.filter(boundary__gt=invoice.boundary_closed).exists()
