"""An item is on one invoice or cancelled, whoever is first. The control shows that the rig can see the race."""

import threading
from datetime import date, timedelta
from decimal import Decimal

import pytest

from billing.desk.services.items import add_item, cancel_item
from billing.domain.invoicing.items import Item
from billing.models import Invoice, InvoiceLine, SingleItem, Subscription
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.drafting import draft_batch
from billing.services.invoicing.finalizing import finalize_batch
from tests.billing.models.rows import draft
from tests.billing.world import GRACE, MARCH, STAFF, first_invoice, subscribe_tenant
from tests.races import DONE, at_once

pytestmark = pytest.mark.django_db(transaction=True)

ON = date(2026, 3, 10)
APRIL = MARCH + timedelta(days=31)


@pytest.fixture
def subscription() -> Subscription:
    made = subscribe_tenant()
    first_invoice(made)
    item = Item("Setup", Decimal(1), "", Decimal(5), ON, ON)
    add_item(tenant_id=made.tenant_id, item=item, reason="agreed", actor=STAFF, as_of=MARCH + timedelta(days=10))
    return made


@pytest.mark.parametrize("attempt", range(3))
def test_two_finalizations_and_a_cancellation_take_it_once_or_not_at_all(
    subscription: Subscription, attempt: int
) -> None:
    draft_batch(as_of=APRIL, due=Due())
    row = SingleItem.objects.get()
    ends = at_once(
        *[lambda: finalize_batch(as_of=APRIL + GRACE, due=Due())] * 2,
        lambda: cancel_item(item_id=row.pk, actor=STAFF, as_of=APRIL + GRACE + timedelta(seconds=attempt)),
    )
    finalize_batch(as_of=APRIL + GRACE, due=Due())  # a draft that was locked is passed over
    row.refresh_from_db()
    invoice = Invoice.objects.get(boundary=1)
    lines = InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision, kind="one_off").count()
    assert invoice.status == "finalized"
    assert lines == (0 if row.cancelled_at else 1)
    assert row.invoice_id == (None if row.cancelled_at else invoice.pk)
    assert ends == ([DONE] * 3 if row.cancelled_at else ["ConflictError", DONE, DONE])


def test_control_without_the_lock_one_is_stopped_by_the_constraint(subscription: Subscription) -> None:
    row, taker = SingleItem.objects.get(), draft(subscription, boundary=1)
    looked = threading.Barrier(2)

    def careless(**changes: object) -> None:
        assert SingleItem.objects.filter(pk=row.pk, invoice=None, cancelled_at=None).exists()
        looked.wait(timeout=30)
        SingleItem.objects.filter(pk=row.pk).update(**changes)

    ends = at_once(lambda: careless(invoice=taker), lambda: careless(cancelled_at=APRIL))
    assert DONE in ends
    assert ends != [DONE, DONE]
