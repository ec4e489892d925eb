"""Storing computed lines: each revision of an invoice has its own, and none is ever changed.

They are given to PostgreSQL as an array for each column: as thousands of values, half of a month's close would be spent
on quoting, and as one JSON text PostgreSQL would read each explanation twice.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from accounts.database.binary import (
    Parameter,
    of_days,
    of_decimals,
    of_instants,
    of_ints,
    of_jsons,
    of_texts,
    of_uuids,
)
from accounts.sql import as_json, fetch_all, sendable
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import LineDraft
from billing.domain.invoicing.taxes import TaxRow

LINES_PER_STATEMENT: Final = 2000
_EXPLANATION: Final = msgspec.json.Encoder()

# The type of each column, and what makes an array of it.
_COLUMNS: Final[Mapping[str, tuple[str, Callable[[list[Any]], Parameter]]]] = {
    "invoice_id": ("uuid", of_uuids),
    "revision": ("bigint", of_ints),
    "position": ("bigint", of_ints),
    "kind": ("text", of_texts),
    "description": ("text", of_texts),
    "plan_version_id": ("bigint", of_ints),
    "price_id": ("bigint", of_ints),
    "meter_id": ("bigint", of_ints),
    "adjusts_id": ("bigint", of_ints),
    "period_start": ("timestamptz", of_instants),
    "period_end": ("timestamptz", of_instants),
    "quantity": ("numeric", of_decimals),
    "unit": ("text", of_texts),
    "events": ("bigint", of_ints),
    "amount_minor": ("bigint", of_ints),
    "explanation": ("jsonb", lambda items: of_jsons([_EXPLANATION.encode(item) for item in items])),
    "tax_category": ("text", of_texts),
    "tax_percent": ("numeric", of_decimals),
    "tax_name": ("text", of_texts),
    "tax_reason": ("text", of_texts),
    "tax_jurisdiction": ("text", of_texts),
    "tax_treatment": ("text", of_texts),
    "supplied_on": ("date", of_days),
}
_UNTAXED: Final = ("", Decimal(0), "", "", "", "")
ADD_LINES = f"""
INSERT INTO billing_invoiceline ({", ".join(_COLUMNS)})
SELECT * FROM unnest({", ".join(f"%({name})s::{kind}[]" for name, (kind, _) in _COLUMNS.items())})
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
    lines: list[tuple[object, ...]] = []
    taxes: list[dict[str, object]] = []
    for invoice_id, revision, invoice in computed:
        at = {"invoice_id": invoice_id, "revision": revision}
        lines += [_row(invoice_id, revision, number, line) for number, line in enumerate(invoice.lines, start=1)]
        taxes += [at | {"position": number, **_tax_row(row)} for number, row in enumerate(invoice.taxes, start=1)]
    for start in range(0, len(lines), LINES_PER_STATEMENT):
        columns = zip(*lines[start : start + LINES_PER_STATEMENT], strict=True)
        made = zip(_COLUMNS.items(), columns, strict=True)
        fetch_all(ADD_LINES, {name: sendable(as_array(list(column))) for (name, (_, as_array)), column in made})
    if taxes:
        fetch_all(ADD_TAXES, {"taxes": as_json(taxes)})


def _row(invoice_id: UUID, revision: int, position: int, line: LineDraft) -> tuple[object, ...]:
    """Return a line in the order of the columns."""
    tax = line.tax
    borne = (
        _UNTAXED
        if tax is None
        else (tax.category.value, tax.percent, tax.name, tax.note, tax.jurisdiction, tax.treatment.value)
    )
    return (
        invoice_id,
        revision,
        position,
        line.kind,
        line.description,
        line.plan_version_id,
        line.price_id,
        line.meter_id,
        line.adjusts_id,
        line.period.start,
        line.period.end,
        line.quantity,
        line.unit,
        line.events,
        line.amount_minor,
        line.explanation,
        *borne,
        line.supplied_on,
    )


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
