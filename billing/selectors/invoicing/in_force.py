"""Which documents are in force: what stands on one that is not is not owed, and what it gave back comes again.

`docs/algorithms/invoicing.md`, section F. Conditions on lines of invoices.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from billing.domain.statuses import InvoiceStatus
from billing.models import CreditNote, Invoice

# Their invoice is void, or a credit note took it back.
IS_GONE: Final = Q(invoice__status=InvoiceStatus.VOID) | Q(
    Exists(CreditNote.objects.filter(invoice=OuterRef("invoice")))
)
# Staff gave up on their invoice, and it has not been paid.
IS_GIVEN_UP: Final = Q(invoice__status=InvoiceStatus.UNCOLLECTIBLE)


def touched_subscriptions(subscription_ids: Collection[UUID | None]) -> set[UUID | None]:
    """Return those of which some invoice is not in force, or was given up once."""
    invoices = Invoice.objects.filter(
        Q(status=InvoiceStatus.VOID)
        | Q(Exists(CreditNote.objects.filter(invoice=OuterRef("pk"))))
        | Q(uncollectible_at__isnull=False),
        subscription__in=subscription_ids,
    )
    return set(invoices.values_list("subscription_id", flat=True))
