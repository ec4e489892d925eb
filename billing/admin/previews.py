"""A computed invoice as the pages show it, before it is made."""

from collections.abc import Callable

from accounts.domain.numbers import number_text
from accounts.errors import ProblemError
from billing.admin.wording import shown_steps
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.money import money_text
from metering.domain.periods import local_day


def preview_context(computed: ComputedInvoice) -> dict[str, object]:
    """A computed invoice as the pages show it."""
    currency = computed.state.currency
    return {
        "lines": [
            {
                "description": line.description,
                "start": line.period.start,
                "end": line.period.end,
                "quantity": number_text(line.quantity),
                "unit": line.unit,
                "amount": money_text(line.amount_minor, currency),
                "steps": shown_steps(line.explanation, line.amount_minor, currency),
            }
            for line in computed.lines
        ],
        "subtotal": money_text(computed.subtotal_minor, currency),
        "tax": money_text(computed.tax_minor, currency),
        "tax_name": f"{computed.tax.name} {number_text(computed.tax.percent)} %",
        "tax_note": computed.tax.note,
        "total": money_text(computed.total_minor, currency),
        "closes_on": local_day(computed.state.closes_at, computed.state.time_zone),
    }


def previewed(compute: Callable[[], ComputedInvoice | None]) -> dict[str, object]:
    """Return the preview, or why there is none."""
    try:
        computed = compute()
        if computed is None:
            return {"preview_error": "A trial ends without an invoice."}
        return {"preview": preview_context(computed)}
    except ProblemError as error:
        return {"preview_error": error.detail}
