"""The customer's number of what it ordered, on one draft: instead of the one that stands on all of its invoices."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.texts import line_problem
from accounts.errors import InvalidFieldsError
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.models import Invoice
from billing.services.invoicing.status import locked_invoice, record_change
from billing.services.subscriptions.profiles import PURCHASE_ORDER_CHARACTERS_MAX


def set_purchase_order(*, invoice_id: UUID, purchase_order: str, actor: Actor, as_of: datetime) -> Invoice:
    """Store what a draft is going to say; empty: nothing. Raises `InvalidFieldsError`, `InvoiceStatusError`."""
    order = purchase_order.strip()
    problem = line_problem(order, pointer="/purchase_order", characters_max=PURCHASE_ORDER_CHARACTERS_MAX)
    if problem is not None:
        raise InvalidFieldsError(problem.detail, field_errors=(problem,))
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        before = invoice.purchase_order
        if Invoice.objects.filter(pk=invoice_id, status=InvoiceStatus.DRAFT).update(purchase_order=order) != 1:
            raise InvoiceStatusError("What is issued never changes: only a draft can get a purchase order.")
        invoice.purchase_order = order
        action = "invoice.purchase_order_set"
        after = {"purchase_order": order}
        record_change(invoice, action, actor=actor, before={"purchase_order": before}, after=after, as_of=as_of)
    return invoice
