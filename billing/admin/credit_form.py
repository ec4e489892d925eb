"""The previews before an invoice is credited in part or issued again, and the form for a credit in part."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.errors import ProblemError
from billing.admin.base import WhyForm
from billing.admin.previews import shown_taxes
from billing.domain.money import money_text, round_to_minor, to_major
from billing.errors import InvoiceStatusError
from billing.models import CreditTarget, Invoice
from billing.selectors.invoicing.crediting import Left
from billing.services.invoicing.crediting import plan_credit
from billing.services.invoicing.reissuing import Reissue, preview_reissue

_LINE: Final = "line_"


class CreditForm(WhyForm):
    """Amounts of lines or one over the document, the use of money that was paid, and the reason."""

    field_order = ("amount",)

    def __init__(self, data: Any, invoice: Invoice, left: Left) -> None:
        super().__init__(data, help_text="Printed on the credit note.")
        self.currency = invoice.currency
        self.fields["amount"] = self._field(
            "Amount over the whole document",
            f"Without tax, at most {money_text(left.left_minor, self.currency)}. It is spread over the lines.",
        )
        for line in left.lines:
            if line.left_minor:
                most = money_text(line.left_minor, self.currency)
                label = f"Or of line {line.position}: {line.description}"
                self.fields[f"{_LINE}{line.position}"] = self._field(label, f"Without tax, at most {most}.")
        self.fields["goes_to"] = forms.ChoiceField(
            label="What was paid of it",
            choices=CreditTarget.choices,
            widget=UnfoldAdminSelectWidget,
            help_text="The amount due is reduced first.",
        )
        self.order_fields(["amount", *[name for name in self.fields if name.startswith(_LINE)], "goes_to", "reason"])

    def clean(self) -> dict[str, Any]:
        """Check that the form has one amount or amounts of lines, with no more digits than the currency."""
        given: dict[str, Any] = super().clean() or {}
        amounts = {name: given[name] for name in given if name == "amount" or name.startswith(_LINE)}
        for name, amount in amounts.items():
            if amount is not None and to_major(round_to_minor(amount, self.currency), self.currency) != amount:
                self.add_error(name, "More digits than the currency has.")
        if (given.get("amount") is None) == all(v is None for name, v in amounts.items() if name != "amount"):
            self.add_error("amount", "One amount, or amounts of lines.")
        return given

    def asked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the requested amounts as arguments of the service."""
        if given.get("amount") is not None:
            return {"amount_minor": round_to_minor(given["amount"], self.currency)}
        lines = {name: given[name] for name in given if name.startswith(_LINE) and given[name] is not None}
        return {
            "amounts": {
                int(name.removeprefix(_LINE)): round_to_minor(amount, self.currency) for name, amount in lines.items()
            }
        }

    def _field(self, label: str, help_text: str) -> forms.DecimalField:
        return forms.DecimalField(
            label=f"{label} ({self.currency})",
            required=False,
            max_digits=20,
            min_value=Decimal(0),
            help_text=help_text,
            widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        )


def previewed_credit(invoice: Invoice, asked: Mapping[str, Any]) -> dict[str, object]:
    """Return the preview of a credit note and the use of its money, or the reason why there can be none."""
    try:
        planned = plan_credit(invoice=invoice, **asked)
    except ProblemError as error:
        return {"preview_error": error.detail}
    currency = invoice.currency
    lines = {line.position: line.description for line in planned.left.lines}
    return {
        "credit": {
            "lines": [(lines[position], money_text(minor, currency)) for position, minor in planned.amounts.items()],
            "subtotal": money_text(planned.subtotal_minor, currency),
            "taxes": shown_taxes(planned.taxes, currency),
            "total": money_text(planned.total_minor, currency),
            "lowers": money_text(planned.lowers_due_minor, currency),
            "frees": money_text(planned.frees_minor, currency),
        }
    }


def said_again(invoice: Invoice, now: datetime) -> str:
    """Return the effect of issuing an invoice again in words, or the reason why it is not possible."""
    try:
        planned, *later = preview_reissue(invoice=invoice, as_of=now)
    except InvoiceStatusError as error:
        return f"Not possible: {error.detail}"
    tenant, computed = invoice.tenant, planned.computed
    address = ", ".join(
        filter(
            None, [tenant.legal_name or tenant.name, tenant.address_line1, tenant.city, tenant.country, tenant.tax_id]
        )
    )
    by = "A credit note takes it back" if planned.is_credited else "It never left the house, and is void then"
    taxes = "; ".join(
        f"{row['name']} of {row['base']}: {row['amount']}" for row in shown_taxes(computed.taxes, invoice.currency)
    )
    return (
        f"{by}. The same lines are issued under a new number to {address}, with tax as it follows now ({taxes}), over"
        f" {_totals(planned)}. What was paid moves with it; what is over waits."
        f"{''.join(_said_of_later(one, invoice) for one in later)}"
    )


def _said_of_later(planned: Reissue, first: Invoice) -> str:
    one = planned.invoice
    by = "by a credit note" if planned.is_credited else "by a void"
    return (
        f" {one.number} corrects {first.number} with the tax that it no longer bears, and is issued again with it:"
        f" taken back {by}, over {_totals(planned)}."
    )


def _totals(planned: Reissue) -> str:
    """Return the total of the replacement, compared with that of the invoice."""
    minors = planned.computed.total_minor, planned.invoice.total_minor
    total, before = (money_text(minor, planned.invoice.currency) for minor in minors)
    return f"{total} as before" if total == before else f"{total} instead of {before}"
