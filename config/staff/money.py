"""Money on the first page of the staff admin: revenue and MRR by month, invoices by state, what waits for staff."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.domain.numbers import counted
from billing.admin.invoice_list import today_of_issuer
from billing.collection.selectors.work import failed_inbox_events, rejected_pushes
from billing.desk.domain.approvals import ApprovalStatus
from billing.desk.models import Approval
from billing.desk.selectors.line_questions import open_questions
from billing.domain.money import amount_text, currency_digits, money_text, to_major
from billing.models import Invoice
from billing.selectors.revenue import (
    MoneyMonth,
    Waiting,
    currencies_sold,
    invoices_by_status,
    money_by_month,
    overdue_invoices,
    waiting,
)

MONTHS: Final = 12
_INVOICES: Final = "admin:billing_invoice_changelist"


@dataclass(frozen=True, slots=True)
class ShownSum:
    """A sum, and the address of its rows."""

    title: str
    number: int
    total: str
    url: str


@dataclass(frozen=True, slots=True)
class ShownMonth:
    """A month in words; the table's title has the currency."""

    month: str
    invoiced: str
    credited: str
    earned: str
    paid: str
    recurring: str
    subscriptions: int


@dataclass(frozen=True, slots=True)
class MoneyConcern:
    """A matter that staff should look at: title, detail and the address of its rows."""

    title: str
    detail: str
    url: str


def money_of(request: HttpRequest, *, as_of: datetime, options: dict[str, Any]) -> dict[str, object] | None:
    """Return the figures in the currency that the page's address names, else in the most used one.

    Return None if the user may not see them.
    """
    if not request.user.has_perm("billing.view_invoice"):
        return None
    currencies = currencies_sold()
    found = waiting(as_of=as_of)
    shown: dict[str, object] = {"currencies": currencies, "waiting": found}
    if not currencies:
        return shown
    asked = request.GET.get("currency", "")
    currency = asked if asked in currencies else currencies[0]
    months = money_by_month(currency=currency, number=MONTHS, as_of=as_of)
    return shown | {
        "currency": currency,
        "months": [_shown(month, currency) for month in reversed(months)],
        "recurring": money_text(months[-1].recurring_minor, currency),
        "paying": months[-1].subscriptions,
        "this_month": money_text(months[-1].invoiced_minor, currency),
        "last_month": money_text(months[-2].invoiced_minor, currency),
        "revenue_chart": json.dumps(_revenue_chart(months, currency)),
        "recurring_chart": json.dumps(_recurring_chart(months, currency)),
        "chart_options": json.dumps(_in_currency(options, currency)),
        "sums": _sums(currency),
        "overdue": _overdue(currency),
    }


def money_concerns(found: Waiting) -> list[MoneyConcern]:
    """Return what waits for staff."""
    concerns = []
    if found.exceptions:
        url = f"{reverse('admin:billing_billingexception_changelist')}?resolved_at__isempty=1"
        concerns.append(MoneyConcern("Open exceptions", f"{found.exceptions} not billed, or paid for nothing", url))
    if found.mails:
        url = reverse("admin:notices_outboundmail_changelist")
        concerns.append(MoneyConcern("Mails that were not sent", f"{found.mails} failed or unknown", url))
    if waiting := Approval.objects.filter(status=ApprovalStatus.OPEN).count():
        url = f"{reverse('admin:desk_approval_changelist')}?status__exact=open"
        concerns.append(MoneyConcern("Approvals", f"{waiting} wait for a colleague", url))
    if questions := open_questions(timezone.now()):
        url = f"{reverse('admin:desk_linequestion_changelist')}?status__exact=open"
        concerns.append(MoneyConcern("Questions about invoices", questions, url))
    if failed := failed_inbox_events():
        url = f"{reverse('admin:collection_inboxevent_changelist')}?status__exact=failed"
        concerns.append(MoneyConcern("Payment providers' events", f"{failed} could not be processed yet", url))
    if rejected := rejected_pushes():
        url = f"{reverse('admin:collection_usagepush_changelist')}?status__exact=rejected"
        concerns.append(MoneyConcern("Usage that a payment provider rejected", counted(rejected, "hours"), url))
    return concerns


def _shown(month: MoneyMonth, currency: str) -> ShownMonth:
    invoiced, credited, earned, paid, recurring = (
        amount_text(amount, currency)
        for amount in (
            month.invoiced_minor,
            month.credited_minor,
            month.earned_minor,
            month.paid_minor,
            month.recurring_minor,
        )
    )
    return ShownMonth(month.month.isoformat(), invoiced, credited, earned, paid, recurring, month.subscriptions)


def _sums(currency: str) -> list[ShownSum]:
    labels = dict(Invoice._meta.get_field("status").choices or [])  # noqa: SLF001 - Django documents it
    url = f"{reverse(_INVOICES)}?currency={currency}"
    return [
        ShownSum(
            labels[row.status], row.number, money_text(row.total_minor, currency), f"{url}&status__exact={row.status}"
        )
        for row in invoices_by_status(currency=currency)
    ]


def _overdue(currency: str) -> ShownSum:
    late = overdue_invoices(currency=currency, today=today_of_issuer())
    url = f"{reverse(_INVOICES)}?currency={currency}&payment=overdue"
    return ShownSum("Overdue", late.number, money_text(late.total_minor, currency), url)


def _revenue_chart(months: Sequence[MoneyMonth], currency: str) -> dict[str, Any]:
    return {
        "labels": [month.month.isoformat() for month in months],
        "datasets": [
            {
                "label": f"Invoiced, {currency}",
                "data": [_plotted(month.invoiced_minor - month.credited_minor, currency) for month in months],
                "backgroundColor": "var(--color-primary-500)",
                "borderRadius": 3,
            },
            {
                "label": f"Paid, {currency}",
                "data": [_plotted(month.paid_minor, currency) for month in months],
                "backgroundColor": "#c07a1a",
                "borderRadius": 3,
            },
        ],
    }


def _recurring_chart(months: Sequence[MoneyMonth], currency: str) -> dict[str, Any]:
    return {
        "labels": [month.month.isoformat() for month in months],
        "datasets": [
            {
                "label": f"MRR, {currency}",
                "data": [_plotted(month.recurring_minor, currency) for month in months],
                "borderColor": "var(--color-primary-500)",
                "backgroundColor": "var(--color-primary-500)",
                "borderWidth": 2,
                "pointRadius": 3,
            }
        ],
    }


def _plotted(amount_minor: int, currency: str) -> str:
    """Return an amount in the major unit as text. The chart reads it as a number, and we use no float."""
    return f"{to_major(amount_minor, currency):f}"


def _in_currency(options: dict[str, Any], currency: str) -> dict[str, Any]:
    """Return the chart's options, with as many digits as the currency has."""
    ticks = {**options["scales"]["y"]["ticks"], "precision": currency_digits(currency)}
    return {**options, "scales": {**options["scales"], "y": {**options["scales"]["y"], "ticks": ticks}}}
