"""Which invoices are due, which are ripe, and which are neither."""

from datetime import timedelta

import pytest

from billing.models import BillingException, Invoice
from billing.selectors.invoicing.due import Due, due_subscriptions, ripe_invoices
from billing.services.invoicing.drafting import draft_batch
from metering.domain.periods import YearMonth, month_span
from tests.billing.world import GRACE, MARCH, first_invoice, make_plan, subscribe_tenant

pytestmark = pytest.mark.django_db

APRIL = MARCH.replace(month=4)
TICK = timedelta(microseconds=1)


def test_a_boundary_is_due_from_its_instant_on_and_its_draft_ripe_when_the_grace_is_over() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    assert not due_subscriptions(APRIL - TICK, Due()).exists()
    assert list(due_subscriptions(APRIL, Due())) == [subscription]
    draft_batch(as_of=APRIL, due=Due())
    assert not due_subscriptions(APRIL + timedelta(days=90), Due()).exists(), "one draft at a time"
    assert not ripe_invoices(APRIL + GRACE - TICK, Due()).exists()
    assert ripe_invoices(APRIL + GRACE, Due()).count() == 1


def test_a_subscription_with_an_open_exception_is_neither_due_nor_ripe() -> None:
    subscription = subscribe_tenant()
    parked = BillingException.objects.create(subscription=subscription, code="x", detail="x", occurred_at=MARCH)
    assert not due_subscriptions(MARCH, Due()).exists()
    BillingException.objects.update(resolved_at=MARCH)
    draft_batch(as_of=MARCH, due=Due())
    assert ripe_invoices(MARCH, Due()).exists()
    BillingException.objects.filter(pk=parked.pk).update(resolved_at=None)
    assert not ripe_invoices(MARCH, Due()).exists()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Auckland"])
def test_a_months_end_is_that_of_each_subscriptions_own_zone(zone: str) -> None:
    start = month_span(YearMonth(2026, 3), zone).start
    subscription = subscribe_tenant(zone.replace("/", "-").replace("_", "-").lower(), time_zone=zone, as_of=start)
    late = APRIL + timedelta(days=60)
    assert list(due_subscriptions(late, Due(month=YearMonth(2026, 2)))) == [subscription]
    assert not due_subscriptions(late, Due(month=YearMonth(2026, 1))).exists()
    draft_batch(as_of=start, due=Due())
    assert ripe_invoices(late, Due(month=YearMonth(2026, 2))).exists()
    assert not ripe_invoices(late, Due(month=YearMonth(2026, 1))).exists()
    Invoice.objects.update(boundary=1, period_end=month_span(YearMonth(2026, 3), zone).end)
    assert ripe_invoices(late, Due(month=YearMonth(2026, 3))).exists()
    assert not ripe_invoices(late, Due(month=YearMonth(2026, 2))).exists()


def test_due_invoices_are_found_for_named_tenants() -> None:
    plan = make_plan()
    acme, globex = subscribe_tenant("acme", plan=plan), subscribe_tenant("globex", plan=plan)
    assert list(due_subscriptions(MARCH, Due(tenant_ids=[acme.tenant_id]))) == [acme]
    draft_batch(as_of=MARCH, due=Due())
    assert [row.subscription for row in ripe_invoices(MARCH, Due(tenant_ids=[globex.tenant_id]))] == [globex]
    assert not due_subscriptions(MARCH, Due(tenant_ids=[])).exists()
