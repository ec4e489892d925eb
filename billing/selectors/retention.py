"""Which invoices bear on a month of raw events, and whether one of them can still be changed by it."""

from datetime import date
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Discrepancy, Tenant
from accounts.sql import fetch_all
from billing.models import Invoice, InvoiceLine, LineKind
from billing.selectors.invoicing.corrections import LATENESS_MARGIN
from metering.domain.retention import month_after, month_start

NAMED_MAX: Final = 10

# An invoice is about a period, and looks at usage that ended within the window for late events and a margin before it.
# If there is one behind that, the month was invoiced and looked at for the last time. A subscription that has ended
# has nothing due once its own last look was taken.
UNFINISHED: Final = """
SELECT t.slug FROM billing_subscription AS s JOIN accounts_tenant AS t ON t.id = s.tenant_id
WHERE s.due_at IS NOT NULL AND s.started_at < %(end)s::timestamptz AND NOT EXISTS (
    SELECT FROM billing_invoice AS i WHERE i.subscription_id = s.id AND i.status <> 'draft' AND i.boundary >= 1
        AND i.period_start >= %(margin)s::interval + t.backfill_days * interval '1 day' + greatest(
            %(end)s::timestamptz, (
                SELECT max(l.period_end) FROM billing_invoiceline AS l JOIN billing_invoice AS o ON o.id = l.invoice_id
                WHERE o.subscription_id = s.id AND o.status <> 'draft' AND l.revision = o.revision
                    AND l.kind = %(usage)s AND l.period_start < %(end)s::timestamptz)))
ORDER BY 1 LIMIT %(most)s
"""


def invoices_of_month(month: date) -> QuerySet[Invoice]:
    """Return the finalized invoices with a usage line whose span is in a month, in part or as a whole."""
    lines = InvoiceLine.objects.filter(
        invoice=OuterRef("pk"),
        revision=OuterRef("revision"),
        kind=LineKind.USAGE,
        period_start__lt=month_start(month_after(month)),
        period_end__gt=month_start(month),
    )
    return Invoice.objects.issued().filter(Exists(lines)).select_related("subscription").order_by("number")


def what_needs(month: date) -> list[str]:
    """Return in words what still needs the raw events of a month, the first of it."""
    parameters = {
        "end": month_start(month_after(month)),
        "margin": LATENESS_MARGIN,
        "usage": LineKind.USAGE.value,
        "most": NAMED_MAX,
    }
    unfinished = fetch_all(UNFINISHED, parameters)
    doubted = Tenant.objects.filter(Exists(Discrepancy.objects.open().filter(tenant=OuterRef("pk"), is_holding=True)))
    slugs = doubted.order_by("slug").values_list("slug", flat=True)[:NAMED_MAX]
    return [
        *(f"{slug}: usage of it is not invoiced, or may yet be corrected" for (slug,) in unfinished),
        *(f"{slug}: the books are in doubt" for slug in slugs),
    ]
