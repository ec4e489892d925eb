"""Time zone data that moves a stored boundary: periods tile, and no usage is lost or counted twice."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.models import Invoice, InvoiceLine, Subscription
from billing.verification.services.running import run_verification
from tests.billing.world import MARCH, close_month, first_invoice, subscribe_tenant, use

pytestmark = pytest.mark.django_db

APRIL, MAY = MARCH + timedelta(days=31), MARCH + timedelta(days=61)


def move_stored(subscription: Subscription, hours: int) -> None:
    """Store the running period's end as data of another release would have had it."""
    by = timedelta(hours=hours)
    subscription.refresh_from_db()
    ends_at = subscription.period_end + by
    Subscription.objects.filter(pk=subscription.pk).update(period_end=ends_at, due_at=ends_at)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_boundary_that_is_not_drafted_follows_the_calendar(hours: int) -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    for minutes in (-90, -30, 30, 90):
        use(subscription.tenant, 1000, at=APRIL + timedelta(minutes=minutes))
    move_stored(subscription, hours)
    close_month(subscription)
    close_month(subscription)
    spans = Invoice.objects.filter(boundary__gte=1).order_by("boundary").values_list("period_start", "period_end")
    assert list(spans) == [(MARCH, APRIL), (APRIL, MAY)]
    usage = InvoiceLine.objects.filter(kind="usage", invoice__revision=1).order_by("invoice__boundary")
    assert [line.quantity for line in usage] == [Decimal(2000)] * 2
    assert run_verification(started_by="test", as_of=MAY + timedelta(days=1)).differences == []


def test_what_was_drafted_stays_and_the_next_period_begins_there() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    close_month(subscription)
    # As data of another release would have closed it: an hour before today's midnight.
    Subscription.objects.filter(pk=subscription.pk).update(period_start=APRIL - timedelta(hours=1))
    use(subscription.tenant, 1000, at=APRIL - timedelta(minutes=30))
    close_month(subscription)
    line = InvoiceLine.objects.get(kind="usage", invoice__boundary=2)
    assert (line.period_start, line.quantity) == (APRIL - timedelta(hours=1), Decimal(1000))
