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
from billing.domain.invoicing.taxes import TaxRow
from billing.domain.tax import TaxDecision

LINES_PER_STATEMENT: Final = 2000

ADD_LINES = """
INSERT INTO billing_invoiceline (invoice_id, revision, position, kind, description, plan_version_id, price_id,
    meter_id, adjusts_id,
    period_start, period_end, quantity, unit, events, amount_minor, explanation, tax_category, tax_percent, tax_name,
    tax_reason, tax_jurisdiction, tax_treatment, supplied_on)
SELECT l.* FROM jsonb_to_recordset(%(lines)s::jsonb) AS l(
    invoice_id uuid, revision int, position int, kind text, description text, plan_version_id bigint, price_id bigint,
    meter_id bigint,
    adjusts_id bigint, period_start timestamptz, period_end timestamptz, quantity numeric, unit text, events bigint,
    amount_minor bigint,
    explanation jsonb, tax_category text, tax_percent numeric, tax_name text, tax_reason text, tax_jurisdiction text,
    tax_treatment text, supplied_on date)
"""

ADD_TAXES = """
INSERT INTO billing_invoicetax (invoice_id, revision, position, jurisdiction, category, treatment, name, percent,
    reason, base_minor, tax_minor)
SELECT t.* FROM jsonb_to_recordset(%(taxes)s::jsonb) AS t(
    invoice_id uuid, revision int, position int, jurisdiction text, category text, treatment text, name text,
    percent numeric, reason text, base_minor bigint, tax_minor bigint)
"""


def store_lines(computed: Iterable[tuple[UUID, int, ComputedInvoice]]) -> None:
    """Add the lines of each invoice, and its taxes, under its revision."""
    lines: list[dict[str, object]] = []
    taxes: list[dict[str, object]] = []
    for invoice_id, revision, invoice in computed:
        at = {"invoice_id": invoice_id, "revision": revision}
        lines += [at | {"position": number, **_row(line)} for number, line in enumerate(invoice.lines, start=1)]
        taxes += [at | {"position": number, **_tax_row(row)} for number, row in enumerate(invoice.taxes, start=1)]
    for start in range(0, len(lines), LINES_PER_STATEMENT):
        fetch_all(ADD_LINES, {"lines": as_json(lines[start : start + LINES_PER_STATEMENT])})
    if taxes:
        fetch_all(ADD_TAXES, {"taxes": as_json(taxes)})


def _row(line: LineDraft) -> dict[str, object]:
    return {
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
        **_borne(line.tax),
        "supplied_on": line.supplied_on,
    }


def _borne(tax: TaxDecision | None) -> dict[str, object]:
    return {
        "tax_category": "" if tax is None else tax.category.value,
        "tax_percent": 0 if tax is None else tax.percent,
        "tax_name": "" if tax is None else tax.name,
        "tax_reason": "" if tax is None else tax.note,
        "tax_jurisdiction": "" if tax is None else tax.jurisdiction,
        "tax_treatment": "" if tax is None else tax.treatment.value,
    }


def _tax_row(row: TaxRow) -> dict[str, object]:
    return {
        "jurisdiction": row.tax.jurisdiction,
        "category": row.tax.category.value,
        "treatment": row.tax.treatment.value,
        "name": row.tax.name,
        "percent": row.tax.percent,
        "reason": row.tax.note,
        "base_minor": row.base_minor,
        "tax_minor": row.tax_minor,
    }
