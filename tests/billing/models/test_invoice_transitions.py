"""The database allows the same transitions of an invoice as the services."""

from itertools import product

import pytest
from django.db import IntegrityError, transaction

from billing.domain.statuses import INVOICE_TRANSITIONS, InvoiceStatus
from billing.models import Invoice
from tests.billing.models import rows
from tests.billing.models.rows import NOW, issued
from tests.billing.world import subscribe_tenant

DRAFT, PAID, VOID = InvoiceStatus.DRAFT, InvoiceStatus.PAID, InvoiceStatus.VOID
PAIRS = [(before, after) for before, after in product(InvoiceStatus, InvoiceStatus) if before is not after]
# An invoice over zero is paid as soon as it is finalized, in one step.
ALLOWED = {(before, after) for before, after in PAIRS if after in INVOICE_TRANSITIONS[before]} | {(DRAFT, PAID)}


def columns_of(status: InvoiceStatus) -> dict[str, object]:
    if status is DRAFT:
        return {"status": status}
    own: dict[InvoiceStatus, dict[str, object]] = {
        PAID: {"paid_at": NOW, "amount_paid_minor": 5831},
        VOID: {"voided_at": NOW, "void_reason": "Billed twice."},
    }
    return issued(status=status) | own.get(status, {})


@pytest.mark.as_owner
@pytest.mark.django_db
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_an_invoice_status_changes_only_along_the_table(before: InvoiceStatus, after: InvoiceStatus) -> None:
    invoice = rows.draft(subscribe_tenant(), **columns_of(before))
    change = Invoice.objects.filter(pk=invoice.pk)
    if (before, after) in ALLOWED:
        unpaid = {} if after is PAID else {"amount_paid_minor": 0}
        assert change.update(**columns_of(after), **unpaid) == 1
        return
    with pytest.raises(IntegrityError, match="does not become"), transaction.atomic():
        change.update(**columns_of(after))
