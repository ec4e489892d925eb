"""Invoices that staff wrote, read from the tables without the code that writes them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from accounts.sql import fetch_all
from billing.conservation.domain.written import WrittenInvoice, WrittenLine, WrittenTax, faults_of

INVOICES: Final = """
SELECT i.id, i.number, i.currency, i.subtotal_minor, i.tax_minor, i.total_minor FROM billing_invoice AS i
WHERE i.id = ANY(%(ids)s::uuid[]) AND i.kind = 'manual' AND i.finalized_at IS NOT NULL ORDER BY i.number
"""
# A line ends with the day on which it is supplied, in the customer's time zone.
LINES: Final = """
SELECT l.invoice_id, l.position, l.quantity, (l.explanation #>> '{steps,0,unit_amount}')::numeric, l.amount_minor,
    l.tax_jurisdiction, l.tax_category, l.tax_name, l.tax_percent,
    l.supplied_on = ((l.period_end - interval '1 microsecond') AT TIME ZONE s.time_zone)::date
FROM billing_invoiceline AS l JOIN billing_invoice AS i ON i.id = l.invoice_id AND i.revision = l.revision
JOIN billing_subscription AS s ON s.id = i.subscription_id
WHERE i.id = ANY(%(ids)s::uuid[]) ORDER BY l.position
"""
TAXES: Final = """
SELECT t.invoice_id, t.jurisdiction, t.category, t.name, t.percent, t.base_minor, t.tax_minor
FROM billing_invoicetax AS t JOIN billing_invoice AS i ON i.id = t.invoice_id AND i.revision = t.revision
WHERE i.id = ANY(%(ids)s::uuid[]) ORDER BY t.position
"""


def faults_of_written(invoice_ids: Sequence[UUID]) -> list[tuple[str, str]]:
    """Return the number and the fault of each of these invoices that staff wrote and that does not come out even."""
    invoices = fetch_all(INVOICES, {"ids": [str(pk) for pk in invoice_ids]})
    if not invoices:
        return []
    ids = {"ids": [str(pk) for pk, *_ in invoices]}
    lines: dict[UUID, list[WrittenLine]] = defaultdict(list)
    for pk, position, quantity, price, amount_minor, *tax, is_on_its_day in fetch_all(LINES, ids):
        country, category, name, percent = tax
        key = country, category, name, percent
        lines[pk].append(WrittenLine(position, quantity, price, amount_minor, key, bool(is_on_its_day)))
    taxes: dict[UUID, list[WrittenTax]] = defaultdict(list)
    for pk, country, category, name, percent, base_minor, tax_minor in fetch_all(TAXES, ids):
        taxes[pk].append(WrittenTax((country, category, name, percent), base_minor, tax_minor))
    return [
        (number, fault)
        for pk, number, currency, *sums in invoices
        for fault in faults_of(WrittenInvoice(number, currency, tuple(sums), lines[pk], taxes[pk]))
    ]
