"""Storing computed lines: each revision of an invoice has its own, and none is ever changed.

They are given to PostgreSQL as one JSON parameter: as thousands of values, half of a month's close would be spent on
quoting.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from accounts.sql import as_json, fetch_all
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import LineDraft

LINES_PER_STATEMENT: Final = 2000

ADD_LINES = """
INSERT INTO billing_invoiceline (invoice_id, revision, position, kind, description, plan_version_id, price_id,
    meter_id, adjusts_id,
    period_start, period_end, quantity, unit, events, amount_minor, explanation)
SELECT l.* FROM jsonb_to_recordset(%(lines)s::jsonb) AS l(
    invoice_id uuid, revision int, position int, kind text, description text, plan_version_id bigint, price_id bigint,
    meter_id bigint,
    adjusts_id bigint, period_start timestamptz, period_end timestamptz, quantity numeric, unit text, events bigint,
    amount_minor bigint,
    explanation jsonb)
"""


def store_lines(computed: Iterable[tuple[UUID, int, ComputedInvoice]]) -> None:
    """Add the lines of each invoice under its revision."""
    rows = [
        _row(line, invoice_id, revision, position)
        for invoice_id, revision, invoice in computed
        for position, line in enumerate(invoice.lines, start=1)
    ]
    for start in range(0, len(rows), LINES_PER_STATEMENT):
        fetch_all(ADD_LINES, {"lines": as_json(rows[start : start + LINES_PER_STATEMENT])})


def _row(line: LineDraft, invoice_id: UUID, revision: int, position: int) -> dict[str, object]:
    return {
        "invoice_id": invoice_id,
        "revision": revision,
        "position": position,
        "kind": line.kind,
        "description": line.description,
        "plan_version_id": line.plan_version_id,
        "price_id": line.price_id,
        "meter_id": line.meter_id,
        "adjusts_id": line.adjusts_id,
        "period_start": line.period.start,
        "period_end": line.period.end,
        "quantity": line.quantity,
        "unit": line.unit,
        "events": line.events,
        "amount_minor": line.amount_minor,
        "explanation": line.explanation,
    }
