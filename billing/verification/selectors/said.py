"""What finalized invoices say: their lines, taxes and documents as values, in one statement each.

As objects of the ORM they took half of the time of a verification.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec

from accounts.sql import fetch_all
from billing.domain.invoicing.taxes import TaxRow
from billing.domain.tax import TaxCategory, TaxDecision, TaxTreatment
from billing.models import Invoice
from billing.verification.domain.batch import StoredDocument, StoredLine
from metering.domain.periods import Span

LINES: Final = """
SELECT l.id, l.invoice_id, l.position, l.kind, l.description, l.period_start, l.period_end, l.quantity,
    l.amount_minor, l.explanation::text, l.plan_version_id, l.price_id, l.meter_id, l.adjusts_id, l.unit, l.events,
    l.supplied_on, l.tax_treatment, l.tax_name, l.tax_percent, l.tax_reason, l.tax_category, l.tax_jurisdiction
FROM billing_invoiceline AS l JOIN billing_invoice AS i ON i.id = l.invoice_id AND i.revision = l.revision
WHERE i.id = ANY(%(ids)s::uuid[]) ORDER BY l.invoice_id, l.position
"""
TAXES: Final = """
SELECT t.invoice_id, t.base_minor, t.tax_minor, t.treatment, t.name, t.percent, t.reason, t.category, t.jurisdiction
FROM billing_invoicetax AS t JOIN billing_invoice AS i ON i.id = t.invoice_id AND i.revision = t.revision
WHERE i.id = ANY(%(ids)s::uuid[]) ORDER BY t.invoice_id, t.position
"""
DOCUMENTS: Final = """
SELECT d.invoice_id, d.content::text, d.content_digest FROM billing_invoicedocument AS d
WHERE d.invoice_id = ANY(%(ids)s::uuid[])
"""


def lines_of(invoices: Sequence[Invoice]) -> dict[UUID, list[StoredLine]]:
    """Return the lines of each invoice as they were finalized, in their order."""
    lines: dict[UUID, list[StoredLine]] = defaultdict(list)
    for row in fetch_all(LINES, _ids(invoices)) if invoices else ():
        line = _line_of(*row)
        lines[line.invoice_id].append(line)
    return lines


def taxes_of(invoices: Sequence[Invoice]) -> dict[UUID, list[TaxRow]]:
    """Return the taxes of each invoice as they were finalized, in their order."""
    taxes: dict[UUID, list[TaxRow]] = defaultdict(list)
    for invoice_id, base_minor, tax_minor, *borne in fetch_all(TAXES, _ids(invoices)) if invoices else ():
        tax = _tax(tuple(borne))
        assert tax is not None, "a constraint wants its category"
        taxes[invoice_id].append(TaxRow(tax, base_minor, tax_minor))
    return taxes


def documents_of(invoices: Sequence[Invoice]) -> dict[UUID, StoredDocument]:
    """Return the documents of invoices, of those that have one."""
    numbers = {invoice.pk: invoice.number or "" for invoice in invoices}
    rows = fetch_all(DOCUMENTS, _ids(invoices)) if invoices else ()
    return {pk: StoredDocument(numbers[pk], msgspec.json.decode(content), digest) for pk, content, digest in rows}


def _ids(invoices: Sequence[Invoice]) -> dict[str, object]:
    return {"ids": [invoice.pk for invoice in invoices]}


def _line_of(*row: Any) -> StoredLine:
    (
        pk, invoice_id, position, kind, description, start, end, quantity, amount_minor, explanation, plan_version_id,
        price_id, meter_id, adjusts_id, unit, events, supplied_on, *borne,
    ) = row  # fmt: skip
    return StoredLine(
        kind,
        description,
        Span(start, end),
        quantity,
        amount_minor,
        msgspec.json.decode(explanation),
        plan_version_id,
        price_id,
        meter_id,
        adjusts_id,
        unit,
        events,
        _tax(tuple(borne)),
        supplied_on,
        pk=pk,
        invoice_id=invoice_id,
        position=position,
    )


@lru_cache(maxsize=1024)  # the lines of a batch bear a few taxes
def _tax(row: tuple[str, str, Decimal, str, str, str]) -> TaxDecision | None:
    """Return the tax of a stored row; None if it settles credit."""
    treatment, name, percent, reason, category, jurisdiction = row
    if not category:
        return None
    return TaxDecision(TaxTreatment(treatment), name, percent, reason, TaxCategory(category), jurisdiction)
