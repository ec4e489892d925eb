"""Invoices that staff write: single items with their tax, numbered at once, or after a colleague approved them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.errors import ConflictError, InvalidFieldsError
from billing.desk.domain.approvals import ApprovalKind
from billing.desk.errors import ApprovalError
from billing.desk.models import Approval
from billing.desk.selectors.limits import needs_approval
from billing.desk.services.requesting import Wanted, request_approval
from billing.domain.invoicing.computing import ComputedInvoice, settled
from billing.domain.invoicing.items import Item, check_items, line_of
from billing.domain.money import money_text
from billing.models import Invoice, InvoiceKind, Issuer, Subscription
from billing.selectors.invoicing.issuing import why_not_issued
from billing.selectors.invoicing.states import state_of_manual
from billing.selectors.taxes import tax_tables
from billing.services.invoicing.finalizing import issue_numbered
from billing.services.invoicing.kept_money import locked_purses
from billing.services.invoicing.lines import store_lines
from billing.services.invoicing.numbering import take_numbers_for
from billing.services.invoicing.status import checked_reason, record_change
from metering.domain.periods import local_day


def write_invoice(
    *, tenant_id: UUID, items: Sequence[Item], reason: str, actor: Actor, as_of: datetime
) -> Invoice | Approval:
    """Issue an invoice of single items, or request it if the amount needs a colleague.

    It is in the currency of the customer's latest subscription. Raises `InvalidFieldsError`, also if the customer never
    had one, `ConflictError` if it cannot have a number, with a sentence that says why, `ApprovalError`.
    """
    reason = checked_reason(reason)
    check_items(items)
    with transaction.atomic():
        subscription = _locked_subscription(tenant_id)
        computed = _computed(subscription, items, as_of)
        if needs_approval(computed.total_minor, subscription.currency, as_of=as_of):
            wanted = Wanted(
                ApprovalKind.MANUAL_INVOICE, tenant_id, computed.total_minor, subscription.currency, reason,
                details={"items": [item.as_said() for item in items]},
            )  # fmt: skip
            return request_approval(wanted, actor=actor, as_of=as_of)
        return _issue(subscription, computed, reason, actor=actor, as_of=as_of)


def write_approved(approval: Approval, *, actor: Actor, as_of: datetime) -> Invoice:
    """Issue the invoice that a locked request asks for.

    Raises `ApprovalError` if it comes to another amount now, `ConflictError` if it cannot have a number.
    """
    items = [Item.of_said(said) for said in approval.details["items"]]
    subscription = _locked_subscription(approval.tenant_id)
    computed = _computed(subscription, items, as_of)
    if (computed.total_minor, subscription.currency) != (approval.amount_minor, approval.currency):
        now = money_text(computed.total_minor, subscription.currency)
        raise ApprovalError(f"It comes to {now} now: request that.")
    return _issue(subscription, computed, approval.reason, actor=actor, as_of=as_of)


def _locked_subscription(tenant_id: UUID) -> Subscription:
    rows = Subscription.objects.of_tenant(tenant_id).select_for_update(no_key=True, of=("self",))
    found: Subscription | None = rows.select_related("tenant").order_by("-created_at", "-pk").first()
    if found is None:
        raise InvalidFieldsError("The customer has no subscription, so its currency and time zone are unknown.")
    return found


def _computed(subscription: Subscription, items: Sequence[Item], as_of: datetime) -> ComputedInvoice:
    """Compute the invoice. Raises `ConflictError` if it cannot have a number."""
    taxes = tax_tables({subscription.tenant_id})[subscription.tenant_id]
    currency, zone = subscription.currency, subscription.time_zone
    lines = [line_of(item, currency=currency, time_zone=zone, taxes=taxes) for item in items]
    start, end = min(line.period.start for line in lines), max(line.period.end for line in lines)
    state = state_of_manual(subscription, start=start, end=end)
    computed = settled(state, lines, credit_minor=0)
    if computed.total_minor <= 0:
        raise InvalidFieldsError("The invoice's total is 0.")
    why_not = why_not_issued(computed, as_of=as_of)
    if why_not:
        raise ConflictError(why_not)
    return computed


def _issue(
    subscription: Subscription, computed: ComputedInvoice, reason: str, *, actor: Actor, as_of: datetime
) -> Invoice:
    issuer = Issuer.objects.get(pk=1)
    purses = locked_purses([subscription.tenant_id])
    row = _stored(subscription, computed, as_of)
    # Taken last, since it is locked until the end of the transaction.
    [number] = take_numbers_for([computed], issuer=issuer, issued_on=local_day(as_of, issuer.time_zone))
    issue_numbered([((row, computed), number)], purses, issuer=issuer, as_of=as_of)
    invoice: Invoice = Invoice.objects.select_related("tenant").get(pk=row.pk)
    after = {"number": number, "total_minor": computed.total_minor, "reason": reason}
    record_change(invoice, "invoice.written", actor=actor, after=after, as_of=as_of)
    return invoice


def _stored(subscription: Subscription, computed: ComputedInvoice, as_of: datetime) -> Invoice:
    """Return the draft, which is numbered in the same transaction."""
    covered = computed.state.covered
    row: Invoice = Invoice.objects.create(
        id=uuid7(as_of),
        tenant=subscription.tenant,
        subscription=subscription,
        kind=InvoiceKind.MANUAL,
        currency=subscription.currency,
        period_start=covered.start,
        period_end=covered.end,
        lines_digest=computed.lines_digest,
        subtotal_minor=computed.subtotal_minor,
        tax_minor=computed.tax_minor,
        carried_minor=computed.carried_minor,
        total_minor=computed.total_minor,
        drafted_at=as_of,
        computed_at=as_of,
        finalize_after=as_of,
    )
    store_lines([(row.pk, row.revision, computed)])
    return row
