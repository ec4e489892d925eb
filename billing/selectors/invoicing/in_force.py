"""Which documents are in force: what stands on one that is not is not owed, and what it gave back comes again.

`docs/algorithms/invoicing.md`, section F. Conditions on lines of invoices. Of an invoice that was issued again its own
lines are looked at, as long as the document in its place is in force; what they bear is on that one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q

from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxDecision
from billing.models import CreditNote, Invoice, InvoiceLine

TaxesAgain = Mapping[int, Sequence[tuple[datetime, TaxDecision | None]]]
_IN_ITS_PLACE: Final = Invoice.objects.filter(original=OuterRef("invoice"))
# Their own document is void, or a credit note took it back.
IS_TAKEN_BACK: Final = Q(invoice__status=InvoiceStatus.VOID) | Q(
    Exists(CreditNote.objects.filter(invoice=OuterRef("invoice")))
)
# So is every document that was issued in its place.
IS_GONE: Final = IS_TAKEN_BACK & ~Q(
    Exists(
        _IN_ITS_PLACE.exclude(status=InvoiceStatus.VOID).filter(
            ~Exists(CreditNote.objects.filter(invoice=OuterRef("pk")))
        )
    )
)
# Staff gave up on their invoice, or the one in its place, and it has not been paid.
IS_GIVEN_UP: Final = Q(invoice__status=InvoiceStatus.UNCOLLECTIBLE) | Q(
    Exists(_IN_ITS_PLACE.filter(status=InvoiceStatus.UNCOLLECTIBLE))
)


def touched_subscriptions(subscription_ids: Collection[UUID | None]) -> set[UUID | None]:
    """Return those of which some invoice is not in force, was given up once, or was credited in part."""
    if not subscription_ids:
        return set()
    invoices = Invoice.objects.filter(
        Q(status=InvoiceStatus.VOID)
        | Q(Exists(CreditNote.objects.filter(invoice=OuterRef("pk"))))
        | Q(uncollectible_at__isnull=False)
        | Q(credited_minor__gt=0),
        subscription__in=subscription_ids,
    )
    return set(invoices.values_list("subscription_id", flat=True))


def taxes_again(lines: Iterable[InvoiceLine]) -> TaxesAgain:
    """Return by line the taxes that it bears on the documents in its invoice's place, in turn, and since when.

    A line that was not issued again is left out.
    """
    places = {(line.invoice_id, line.position): line.pk for line in lines}
    if not places:
        return {}
    again = InvoiceLine.objects.filter(
        invoice__original__in={invoice_id for invoice_id, _ in places}, revision=F("invoice__revision")
    )
    borne: dict[int, list[tuple[datetime, TaxDecision | None]]] = defaultdict(list)
    for line in again.select_related("invoice").order_by("invoice__finalized_at", "invoice"):
        original_id, since = line.invoice.original_id, line.invoice.finalized_at
        assert original_id is not None, "it was issued in the place of another"
        assert since is not None, "it was issued at once"
        if (original_id, line.position) in places:
            borne[places[original_id, line.position]].append((since, line.tax))
    return borne


def tax_borne(line: InvoiceLine, again: TaxesAgain, at: datetime | None = None) -> TaxDecision | None:
    """Return the tax that a line bears now, or bore at a moment: that of the last document in its invoice's place."""
    taxes = [tax for since, tax in again.get(line.pk, ()) if at is None or since <= at]
    return taxes[-1] if taxes else line.tax
