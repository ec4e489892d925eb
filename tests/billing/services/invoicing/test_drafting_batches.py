"""A batch takes as many statements for one subscription as for many, is shared by workers, and bills nothing twice."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from django.db import connection

from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.models import BillingException, Invoice, InvoiceLine, Subscription
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.drafting import _still_due, draft_batch
from billing.services.invoicing.finalizing import finalize_batch, finalize_now
from billing.services.invoicing.running import run_invoicing
from metering.selectors.catalog import forget_catalog
from tests.billing.world import GRACE, MARCH, first_invoice, make_plan, subscribe_tenant, use

APRIL = MARCH.replace(month=4)
MAY = MARCH.replace(month=5)


@contextmanager
def counting_statements() -> Iterator[Callable[[], int]]:
    """Count the statements to PostgreSQL, by Django's cursors and by those of the ledger's statements."""
    forget_catalog()
    counter, execute = count(), psycopg.Cursor.execute
    totals = [0]

    def counted(*arguments: Any, **named: Any) -> Any:
        totals[0] = next(counter) + 1
        return execute(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", counted)
        yield lambda: totals[0]


def make_customers(numbers: range) -> None:
    """Create customers with a closed month, and late usage that the next invoice has to correct."""
    plan = make_plan()
    for number in numbers:
        tenant = subscribe_tenant(f"tenant-{number}", plan=plan).tenant
        use(tenant, 100, at=MARCH + timedelta(days=1, minutes=7), count=2)
    run_invoicing(as_of=APRIL + GRACE)
    for subscription in Subscription.objects.filter(tenant__slug__in=[f"tenant-{number}" for number in numbers]):
        use(subscription.tenant, 9, at=MARCH + timedelta(days=2), as_of=APRIL + timedelta(days=1))


@pytest.mark.django_db
def test_the_statements_of_a_batch_do_not_grow_with_it() -> None:
    counted = []
    for numbers, month in ((range(1), MAY), (range(1, 7), MAY)):
        make_customers(numbers)
        with counting_statements() as statements:
            drafted = draft_batch(as_of=month, due=Due())
            after_draft = statements()
            finalized = finalize_batch(as_of=month + GRACE, due=Due())
            counted.append((after_draft, statements() - after_draft))
        assert len(drafted.invoice_ids) == len(finalized.invoice_ids) == len(numbers)
    assert counted[0] == counted[1], counted
    assert max(counted[0]) <= 34
    assert InvoiceLine.objects.filter(kind="adjustment", invoice__revision=1).count() == 7


@pytest.mark.django_db
def test_a_batch_has_the_requested_size() -> None:
    make_customers(range(3))
    assert len(draft_batch(as_of=MAY, due=Due(), size=2).invoice_ids) == 2
    assert len(draft_batch(as_of=MAY, due=Due(), size=2).invoice_ids) == 1
    assert draft_batch(as_of=MAY, due=Due(), size=2).is_empty
    assert len(finalize_batch(as_of=MAY + GRACE, due=Due(), size=2).invoice_ids) == 2


@pytest.mark.django_db
def test_a_subscription_that_another_worker_drafted_before_the_lock_is_left_alone() -> None:
    # Its next period is due as well, so the locked row looks due. Its draft is newer than our first read.
    subscription, other = subscribe_tenant("late"), subscribe_tenant("other", plan=make_plan("other"))
    draft_batch(as_of=MAY, due=Due(tenant_ids=[subscription.tenant_id]))
    assert _still_due([subscription, other]) == [other]


@pytest.mark.django_db(transaction=True)
def test_workers_that_catch_up_together_bill_each_period_once() -> None:
    plan = make_plan()
    subscriptions = [subscribe_tenant(f"late-{number}", plan=plan) for number in range(6)]
    together = threading.Barrier(4)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            connection.ensure_connection()
            together.wait(120)
            while not draft_batch(as_of=MAY + GRACE, due=Due(), size=1).is_empty:
                finalize_batch(as_of=MAY + GRACE, due=Due(), size=2)
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failed == []
    run_invoicing(as_of=MAY + GRACE)
    found = Invoice.objects.issued().values_list("subscription_id", "boundary")
    assert sorted(found) == sorted((row.pk, boundary) for row in subscriptions for boundary in range(3))
    numbers = Invoice.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == [f"INV-2026-{number:06}" for number in range(1, 19)]


@pytest.mark.django_db
def test_staff_may_finalize_a_draft_before_its_grace_is_over_and_nothing_else() -> None:
    subscription = subscribe_tenant()
    first = first_invoice(subscription)
    draft_batch(as_of=APRIL, due=Due())
    draft = Invoice.objects.get(status=InvoiceStatus.DRAFT)
    done = finalize_now(invoice_id=draft.pk, as_of=APRIL)
    assert (done.status, done.number) == (InvoiceStatus.FINALIZED, "INV-2026-000002")
    for invoice in (first, draft):
        with pytest.raises(InvoiceStatusError, match="Only a draft"):
            finalize_now(invoice_id=invoice.pk, as_of=APRIL)


@pytest.mark.django_db
def test_a_draft_of_a_period_that_goes_on_is_not_finalized() -> None:
    first_invoice(subscribe_tenant())
    draft_batch(as_of=APRIL, due=Due())
    draft = Invoice.objects.get(status=InvoiceStatus.DRAFT)
    with pytest.raises(InvoiceStatusError, match="has not ended"):
        finalize_now(invoice_id=draft.pk, as_of=APRIL - timedelta(seconds=1))


@pytest.mark.django_db
def test_a_draft_that_cannot_be_computed_any_more_becomes_an_exception() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    draft_batch(as_of=APRIL, due=Due())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO usage_hour SELECT %s, true, id, %s, 0, -5, 1 FROM metering_meter WHERE code = 'calls'",
            [subscription.tenant_id, MARCH],
        )
    draft = Invoice.objects.get(status=InvoiceStatus.DRAFT)
    with pytest.raises(InvoiceStatusError, match="comes to -5 in 1 event by the rollup, to 0"):
        finalize_now(invoice_id=draft.pk, as_of=APRIL)
    assert finalize_batch(as_of=APRIL + GRACE, due=Due()).is_empty, "it waits for a person"
    exception = BillingException.objects.get()
    assert (exception.subscription, exception.code, exception.invoice) == (subscription, "usage_drift", draft)
