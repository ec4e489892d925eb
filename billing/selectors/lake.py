"""The lines of finalized invoices, as a table for SQL."""

from typing import Final

from accounts.domain.scopes import Scope
from metering.lake.domain.tables import LakeColumn, LakeTable

INVOICE_LINES: Final = LakeTable(
    name="invoice_lines",
    columns=(
        LakeColumn("invoice", "VARCHAR", "i.number"),
        LakeColumn("status", "VARCHAR", "i.status"),
        LakeColumn("issued_on", "DATE", "i.issued_on"),
        LakeColumn("currency", "VARCHAR", "i.currency"),
        LakeColumn("position", "INTEGER", "t.position"),
        LakeColumn("kind", "VARCHAR", "t.kind"),
        LakeColumn("description", "VARCHAR", "t.description"),
        LakeColumn("meter", "VARCHAR", "m.code"),
        LakeColumn("period_start", "TIMESTAMPTZ", "t.period_start"),
        LakeColumn("period_end", "TIMESTAMPTZ", "t.period_end"),
        LakeColumn("quantity", "DECIMAL(38,9)", "t.quantity"),
        LakeColumn("unit", "VARCHAR", "t.unit"),
        LakeColumn("events", "BIGINT", "t.events"),
        LakeColumn("amount_minor", "BIGINT", "t.amount_minor"),
        LakeColumn("tax_category", "VARCHAR", "t.tax_category"),
        LakeColumn("tax_percent", "DECIMAL(7,4)", "t.tax_percent"),
        LakeColumn("supplied_on", "DATE", "t.supplied_on"),
    ),
    source=(
        "billing_invoiceline AS t"
        " JOIN billing_invoice AS i ON i.id = t.invoice_id AND i.revision = t.revision AND i.number IS NOT NULL"
        " LEFT JOIN metering_meter AS m ON m.id = t.meter_id"
    ),
    starts="t.period_start",
    ends="t.period_end",
    time="period_start",
    tenant="i.tenant_id",
    is_live="true",  # test usage is never billed
    scope=Scope.BILLING_READ,
)
