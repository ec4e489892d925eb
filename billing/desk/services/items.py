"""Charges and credits that staff add to a customer's next invoice, at once or after a colleague approved them.

Whoever adds or cancels one locks the draft that would take it, so that it is on that invoice or on the next, and
cannot be cancelled while an invoice takes it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.errors import ConflictError, InvalidFieldsError, NotFoundError
from accounts.services.audit import AuditTarget, record_audit
from billing.desk.domain.approvals import ApprovalKind
from billing.desk.errors import ApprovalError
from billing.desk.models import Approval
from billing.desk.selectors.limits import needs_approval
from billing.desk.services.requesting import Wanted, request_approval
from billing.domain.invoicing.items import Item, check_items, line_of, tax_of
from billing.domain.money import AMOUNT_MINOR_MAX, money_text
from billing.domain.statuses import InvoiceStatus
from billing.errors import SubscriptionChangedError
from billing.models import Invoice, SingleItem, Subscription
from billing.selectors.taxes import tax_tables
from billing.services.invoicing.status import checked_reason


def add_item(*, tenant_id: UUID, item: Item, reason: str, actor: Actor, as_of: datetime) -> SingleItem | Approval:
    """Add an item to the customer's next invoice, or request it if the amount needs a colleague.

    Raises `InvalidFieldsError`, `ConflictError` if no invoice follows, `ApprovalError`, and `SubscriptionChangedError`
    while the next invoice is just being drafted.
    """
    reason = checked_reason(reason)
    check_items([item], may_give_back=True)
    with transaction.atomic():
        subscription = _locked_subscription(tenant_id)
        amount_minor, gross_minor = _amounts(subscription, item)
        if needs_approval(abs(gross_minor), subscription.currency, as_of=as_of):
            wanted = Wanted(
                ApprovalKind.SINGLE_ITEM, tenant_id, abs(gross_minor), subscription.currency, reason,
                details={"item": item.as_said()},
            )  # fmt: skip
            return request_approval(wanted, actor=actor, as_of=as_of)
        return _added(subscription, item, amount_minor, reason, actor=actor, as_of=as_of)


def add_decided_item(*, tenant_id: UUID, item: Item, reason: str, actor: Actor, as_of: datetime) -> SingleItem:
    """Add an item that a setting of the seller decides, so that no colleague is asked. Raises as `add_item` does."""
    check_items([item])
    with transaction.atomic():
        subscription = _locked_subscription(tenant_id)
        amount_minor, _ = _amounts(subscription, item)
        return _added(subscription, item, amount_minor, checked_reason(reason), actor=actor, as_of=as_of)


def add_approved(approval: Approval, *, actor: Actor, as_of: datetime) -> SingleItem:
    """Add the item that a locked request asks for. Raises `ApprovalError` if it comes to another amount now."""
    item = Item.of_said(approval.details["item"])
    subscription = _locked_subscription(approval.tenant_id)
    amount_minor, gross_minor = _amounts(subscription, item)
    if (abs(gross_minor), subscription.currency) != (approval.amount_minor, approval.currency):
        now = money_text(abs(gross_minor), subscription.currency)
        raise ApprovalError(f"It comes to {now} now: request that.")
    return _added(subscription, item, amount_minor, approval.reason, actor=actor, as_of=as_of)


def cancel_item(*, item_id: UUID, actor: Actor, as_of: datetime) -> SingleItem:
    """Cancel an item that no invoice has taken. Raises `NotFoundError`, `ConflictError`, `SubscriptionChangedError`."""
    with transaction.atomic():
        known = SingleItem.objects.filter(pk=item_id).first()
        if known is None:
            raise NotFoundError("There is no such item.")
        _lock(known.subscription_id)
        row: SingleItem = SingleItem.objects.select_for_update(no_key=True).get(pk=item_id)
        if row.cancelled_at is not None:
            raise ConflictError("It is cancelled already.")
        if row.invoice_id is not None:
            raise ConflictError(f"{row.invoice} has taken it: credit it there, or add an item the other way round.")
        SingleItem.objects.filter(pk=row.pk).update(cancelled_at=as_of, cancelled_by=actor.label[:254])
        row.refresh_from_db()
        _record(row, "single_item.cancelled", actor=actor, as_of=as_of)
    return row


def _locked_subscription(tenant_id: UUID) -> Subscription:
    rows = Subscription.objects.of_tenant(tenant_id).order_by("-created_at", "-pk")
    subscription_id = rows.values_list("pk", flat=True).first()
    found = None if subscription_id is None else _lock(subscription_id)
    if found is None or (found.due_at is None and not _drafts_of(found.pk).exists()):
        raise ConflictError("No invoice follows for this customer: write an invoice instead.")
    return found


def _lock(subscription_id: UUID) -> Subscription:
    """Lock a subscription and its draft until the transaction ends: none is drafted or finalized meanwhile."""
    drafts = list(_drafts_of(subscription_id).select_for_update(no_key=True, of=("self",)))
    subscription: Subscription = Subscription.objects.select_for_update(no_key=True, of=("self",)).get(
        pk=subscription_id
    )
    if {row.pk for row in _drafts_of(subscription_id)} != {row.pk for row in drafts}:
        raise SubscriptionChangedError("Its period is just being invoiced: try again in a minute.")
    return subscription


def _drafts_of(subscription_id: UUID) -> Any:
    return Invoice.objects.filter(subscription=subscription_id, status=InvoiceStatus.DRAFT)


def _amounts(subscription: Subscription, item: Item) -> tuple[int, int]:
    """Return what an item comes to without tax, and with it. Raises `InvalidFieldsError`."""
    taxes = tax_tables({subscription.tenant_id})[subscription.tenant_id]
    currency, zone = subscription.currency, subscription.time_zone
    minor = line_of(item, currency=currency, time_zone=zone, taxes=taxes).amount_minor
    if not minor:
        raise InvalidFieldsError("It comes to nothing.")
    if abs(minor) > AMOUNT_MINOR_MAX:
        raise InvalidFieldsError("It comes to more than any invoice.")
    return minor, minor + tax_of(item, taxes).amount_minor(minor, currency)


def _added(
    subscription: Subscription, item: Item, amount_minor: int, reason: str, *, actor: Actor, as_of: datetime
) -> SingleItem:
    row: SingleItem = SingleItem.objects.create(
        id=uuid7(as_of),
        tenant_id=subscription.tenant_id,
        subscription=subscription,
        description=item.description,
        quantity=item.quantity,
        unit=item.unit,
        unit_price=item.unit_price,
        first_on=item.first_on,
        last_on=item.last_on,
        tax_category=item.tax_category,
        amount_minor=amount_minor,
        currency=subscription.currency,
        reason=reason,
        created_at=as_of,
        created_by=actor.label[:254],
    )
    _record(row, "single_item.added", actor=actor, as_of=as_of)
    return row


def _record(row: SingleItem, action: str, *, actor: Actor, as_of: datetime) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=row.tenant_id,
        target=AuditTarget("single_item", row.pk, row.description[:200]),
        after={"amount_minor": row.amount_minor, "currency": row.currency, "reason": row.reason},
        as_of=as_of,
    )
