"""The steps that every change of a finalized invoice shares: the lock, the compare-and-set, and the audit entry.

The subscription's row is locked before the invoice's, as in a change of the subscription, so that no deadlock occurs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from accounts.domain.actor import Actor
from accounts.domain.texts import line_problem
from accounts.errors import InvalidFieldsError, NotFoundError
from accounts.services.audit import AuditTarget, record_audit
from billing.domain.statuses import INVOICE_TRANSITIONS, InvoiceStatus, statuses_before
from billing.errors import InvoiceStatusError
from billing.models import Invoice, Subscription

REASON_CHARACTERS_MAX: Final = 200


def locked_invoice(invoice_id: UUID) -> Invoice:
    """Return the invoice with its tenant. Lock it and its subscription until the transaction ends.

    Raises `NotFoundError`.
    """
    assert connection.in_atomic_block, "a lock lasts as long as its transaction"
    subscription = Subscription.objects.select_for_update(no_key=True).filter(invoices=invoice_id).first()
    if subscription is None:
        raise NotFoundError
    invoice: Invoice = (
        Invoice.objects.select_for_update(no_key=True, of=("self",)).select_related("tenant").get(pk=invoice_id)
    )
    return invoice


def lock_draft(subscription_id: UUID) -> None:
    """Lock the draft of a locked subscription, if there is one, until the transaction ends.

    A draft that is just being finalized looks back to what was issued: it comes before a change of that, or after.
    """
    drafts = Invoice.objects.filter(subscription=subscription_id, status=InvoiceStatus.DRAFT)
    list(drafts.select_for_update(no_key=True, of=("self",)).values_list("pk"))


def move_invoice(invoice: Invoice, status: InvoiceStatus, changes: Mapping[str, object]) -> None:
    """Change the status along the table, by compare-and-set, and read the row again. Raises `InvoiceStatusError`."""
    before = statuses_before(INVOICE_TRANSITIONS, status)
    moved = Invoice.objects.filter(pk=invoice.pk, status__in=before).update(status=status, **changes)
    if moved != 1:
        raise InvoiceStatusError(f"An invoice that is {invoice.status} does not become {status}.")
    invoice.refresh_from_db(fields=["status", *changes])


def checked_reason(reason: str) -> str:
    """Return the reason as it is stored. Raises `InvalidFieldsError`."""
    reason = reason.strip()
    problem = line_problem(reason, pointer="/reason", characters_max=REASON_CHARACTERS_MAX, is_required=True)
    if problem is not None:
        raise InvalidFieldsError(problem.detail, field_errors=(problem,))
    return reason


def record_change(
    invoice: Invoice,
    action: str,
    *,
    actor: Actor,
    as_of: datetime,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Add the audit entry of a change."""
    record_audit(
        actor=actor,
        action=action,
        tenant_id=invoice.tenant_id,
        target=AuditTarget("invoice", invoice.pk, invoice.number or ""),
        before=before,
        after=after,
        as_of=as_of,
    )
