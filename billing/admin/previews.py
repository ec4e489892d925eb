"""Previews of invoices that are computed and not stored."""

from collections.abc import Callable, Iterable

from accounts.domain.numbers import number_text, unit_name
from accounts.errors import ProblemError
from billing.admin.days import shown_days
from billing.admin.wording import shown_steps
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.taxes import TaxRow
from billing.domain.money import money_text
from metering.domain.periods import local_day


def preview_context(computed: ComputedInvoice) -> dict[str, object]:
    """Return a computed invoice as the pages show it."""
    currency = computed.state.currency
    return {
        "lines": [
            {
                "description": line.description,
                "days": shown_days(line.period.start, line.period.end, computed.state.time_zone),
                "quantity": number_text(line.quantity),
                "unit": unit_name(line.unit, line.quantity),
                "amount": money_text(line.amount_minor, currency),
                "steps": shown_steps(line.explanation, line.amount_minor, currency),
            }
            for line in computed.lines
        ],
        "subtotal": money_text(computed.subtotal_minor, currency),
        "taxes": shown_taxes(computed.taxes, currency),
        "credit": money_text(computed.carried_minor, currency) if computed.carried_minor else "",
        "total": money_text(computed.total_minor, currency),
        "closes_on": local_day(computed.state.closes_at, computed.state.time_zone),
    }


def shown_taxes(rows: Iterable[TaxRow], currency: str) -> list[dict[str, str]]:
    """Return the taxes of an invoice as the pages show them."""
    return [
        {
            "name": f"{row.tax.name or 'Tax'} {number_text(row.tax.percent)} %",
            "note": row.tax.note,
            "base": money_text(row.base_minor, currency),
            "amount": money_text(row.tax_minor, currency),
        }
        for row in rows
    ]


def previewed(compute: Callable[[], ComputedInvoice | None]) -> dict[str, object]:
    """Return the preview, or the reason why there is none."""
    try:
        computed = compute()
        if computed is None:
            return {"preview_error": "A trial ends without an invoice."}
        return {"preview": preview_context(computed)}
    except ProblemError as error:
        return {"preview_error": error.detail}
