"""The price of usage in any span is what the invoices of its periods charge."""

from datetime import timedelta
from decimal import Decimal

from billing.domain.prices import PerUnit
from billing.models import InvoiceLine
from billing.selectors.usage_cost import currency_of_usage, priced_spans
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from metering.domain.periods import Span
from metering.models import Meter
from tests.billing.world import MARCH, STAFF, close_month, first_invoice, make_plan, subscribe_tenant, use

DAY = timedelta(days=1)


def test_priced_spans_are_the_lines_of_invoices_through_changes_and_the_end(db: None) -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    dear = make_plan("dear", usage={"calls": PerUnit(Decimal("0.10"))})
    use(subscription.tenant, at=MARCH + DAY, count=1000)
    subscription.refresh_from_db()
    changed_at = MARCH + 10 * DAY + timedelta(hours=5)
    change_plan(
        subscription=subscription,
        plan_version=dear,
        when=When.NOW,
        actor=STAFF,
        as_of=changed_at,
        expected_version=subscription.version,
    )
    use(subscription.tenant, at=changed_at + DAY, count=11)
    close_month(subscription)
    ended_at = MARCH + 40 * DAY
    use(subscription.tenant, at=ended_at - DAY, count=3)
    cancel_subscription(
        subscription=subscription,
        when=When.NOW,
        actor=STAFF,
        as_of=ended_at,
        expected_version=subscription.version,
    )
    close_month(subscription, as_of=ended_at + 2 * DAY)
    lines = InvoiceLine.objects.filter(kind="usage").order_by("period_start")

    found = priced_spans(
        tenant_id=subscription.tenant_id,
        meter_id=Meter.objects.get(code="calls").pk,
        span=Span(MARCH - DAY, MARCH + 90 * DAY),
        as_of=MARCH + 90 * DAY,
    )

    assert [(*one.span, one.quantity, one.amount_minor) for one in found] == [
        (line.period_start, line.period_end, line.quantity, line.amount_minor) for line in lines
    ]
    assert [one.amount_minor for one in found] == [100, 110, 30]
    assert currency_of_usage(subscription.tenant_id) == "EUR"
