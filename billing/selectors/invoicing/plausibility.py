"""What an invoice is compared with before it is finalized: the account's last invoices, its bounds, its approvals."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Coalesce

from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.plausibility import (
    HISTORY_INVOICES,
    UNUSUAL_AMOUNT,
    AmountBounds,
    AmountCheck,
    usual_floor_minor,
    why_unusual,
)
from billing.domain.invoicing.state import BillingState
from billing.domain.statuses import InvoiceStatus
from billing.models import BillingException, BillingProfile, Invoice
from billing.selectors.invoicing.computation import Computation, Unbillable


def held_back(
    computed: Sequence[Computation],
    *,
    before: Sequence[ComputedInvoice] = (),
    is_final: Callable[[BillingState], bool] = lambda _: True,
) -> list[Computation]:
    """Return the same, and in the place of each final invoice of an unusual amount why a person has to look at it.

    `before` were computed and not stored: a dry run compares with them too.
    """
    invoices = [found for found in computed if isinstance(found, ComputedInvoice)]
    subscriptions = {invoice.state.subscription_id for invoice in invoices}
    earlier = _earlier_totals(subscriptions)
    for known in before:
        if known.state.boundary:
            earlier[known.state.subscription_id][known.state.boundary] = known.total_minor
    bounds = _bounds_by_tenant({invoice.state.tenant_id for invoice in invoices})
    approved = _approved(subscriptions)
    checked: list[Computation] = []
    for found in computed:
        if isinstance(found, ComputedInvoice) and is_final(found.state):
            why = _why_unusual(found, earlier[found.state.subscription_id], bounds.get(found.state.tenant_id))
            if (
                why is not None
                and (found.state.subscription_id, found.state.boundary, found.total_minor) not in approved
            ):
                checked.append(Unbillable(found.state, UNUSUAL_AMOUNT, why, found.total_minor))
                continue
        checked.append(found)
    return checked


def _why_unusual(invoice: ComputedInvoice, earlier: Mapping[int, int], bounds: AmountBounds | None) -> str | None:
    state = invoice.state
    totals = [total_minor for boundary, total_minor in sorted(earlier.items()) if boundary < state.boundary]
    return why_unusual(
        invoice.total_minor,
        state.currency,
        earlier_minor=totals[-HISTORY_INVOICES:],
        bounds=bounds or _usual_bounds(state.currency),
    )


def _earlier_totals(subscriptions: set[UUID | None]) -> dict[UUID | None, dict[int, int]]:
    """Return what was invoiced and not taken back, by boundary; the first fee alone tells nothing of usage."""
    rows = (
        Invoice.objects.issued()
        .annotate(closes=Coalesce("original__boundary", "boundary"))
        .filter(subscription__in=subscriptions, closes__gt=0, credit_note=None)
        .exclude(status=InvoiceStatus.VOID)
        .values_list("subscription_id", "closes", "total_minor")
    )
    totals: dict[UUID | None, dict[int, int]] = defaultdict(dict)
    for subscription_id, boundary, total_minor in rows:
        totals[subscription_id][boundary] = total_minor
    return totals


def _bounds_by_tenant(tenant_ids: set[UUID]) -> dict[UUID, AmountBounds]:
    """Return the bounds that staff set instead of the usual ones."""
    rows = BillingProfile.objects.filter(tenant__in=tenant_ids).exclude(amount_check=AmountCheck.HISTORY)
    return {row.tenant_id: AmountBounds(0, 0, AmountCheck(row.amount_check), row.amount_max_minor) for row in rows}


def _usual_bounds(currency: str) -> AmountBounds:
    usual = usual_floor_minor(currency, settings.ABSURD_INVOICE_FLOOR)
    floor = settings.ABSURD_INVOICE_FLOORS.get(currency, usual)
    return AmountBounds(settings.ABSURD_INVOICE_TIMES, floor)


def _approved(subscriptions: set[UUID | None]) -> set[tuple[UUID, int | None, int | None]]:
    """Return subscription, boundary and exact total of what staff approved."""
    rows = BillingException.objects.filter(subscription__in=subscriptions, is_approved=True)
    return set(rows.values_list("subscription_id", "invoice__boundary", "amount_minor"))
