"""The worked example of docs/algorithms/invoicing.md, through the real services."""

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing.domain.documents import days_of
from billing.domain.prices import Graduated, PerUnit, Tier
from billing.models import Invoice, Issuer, Subscription, TaxRate
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from metering.domain.periods import Span
from metering.models import Meter
from metering.services.voids import void_event
from tests.algorithm_pages import rows_below
from tests.billing.world import STAFF, latest_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_meter

pytestmark = pytest.mark.django_db

ZONE = "Europe/Brussels"


def local(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo(ZONE))


@pytest.fixture
def subscription() -> Subscription:
    """Create Acme's subscription, after all events of the page. Invoicing runs an hour or two after each boundary."""
    TaxRate.objects.create(country="BE", name="VAT", percent=Decimal(21))
    Issuer.objects.update(country="BE", time_zone=ZONE, fee_refund="none")
    make_meter("calls", "http_request", unit="call", aggregation="sum")
    Meter.objects.update(name="Calls")
    basic = make_plan("basic", fee="29", usage={"calls": PerUnit(Decimal("0.01"))})
    tiers = (Tier(Decimal(1000), Decimal(0)), Tier(None, Decimal("0.005")))
    team = make_plan("team", fee="99", usage={"calls": Graduated(tiers)})

    made = subscribe_tenant(plan=basic, as_of=local(1, 31, 15), time_zone=ZONE, country="BE", backfill_days=35)
    tenant = made.tenant
    run_invoicing(as_of=local(1, 31, 16))
    use(tenant, 1000, at=local(2, 10, 12))
    change_plan(subscription=made, plan_version=team, when=When.NOW, actor=STAFF, as_of=local(2, 15, 9, 30))
    [test] = use(tenant, 30000, at=local(2, 20, 12))
    run_invoicing(as_of=local(2, 28, 2))
    use(tenant, 250, at=local(2, 10, 13), as_of=local(3, 5, 12))
    void_event(ledger=ledger_of(tenant), event_id=test, reason="a test", voided_by="acme", as_of=local(3, 6, 12))
    run_invoicing(as_of=local(3, 31, 2))
    change_plan(subscription=made, plan_version=basic, when=When.PERIOD_END, actor=STAFF, as_of=local(4, 10, 12))
    run_invoicing(as_of=local(4, 30, 2))
    use(tenant, 2000, at=local(5, 3, 18))
    cancel_subscription(subscription=made, when=When.NOW, actor=STAFF, as_of=local(5, 12, 12))
    run_invoicing(as_of=local(5, 12, 14))
    use(tenant, 300, at=local(5, 3, 19), as_of=local(5, 20, 12))
    run_invoicing(as_of=local(6, 17, 12) - timedelta(seconds=1))
    assert latest_invoice(made).boundary == 4
    run_invoicing(as_of=local(6, 17, 13))
    return made


def test_the_invoices_are_as_documented(subscription: Subscription) -> None:
    invoices = Invoice.objects.filter(subscription=subscription).order_by("boundary")
    lines = [
        (
            str(invoice.boundary),
            *days_of(Span(line.period_start, line.period_end), ZONE),
            line.description,
            line.amount_minor,
        )
        for invoice in invoices
        for line in invoice.lines.filter(revision=invoice.revision).order_by("position")
    ]
    documented = rows_below("invoicing", "boundary", "from", "to", "line", "minor units")
    assert lines == [(*row[:4], int(row[4])) for row in documented]

    totals = [
        [str(value) for value in row]
        for row in invoices.values_list(
            "boundary", "number", "status", "subtotal_minor", "tax_minor", "carried_minor", "total_minor"
        )
    ]
    assert totals == rows_below("invoicing", "boundary", "number", "status", "subtotal", "tax", "credit", "total")


def test_what_is_used_after_the_end_is_not_invoiced(subscription: Subscription) -> None:
    use(subscription.tenant, 5000, at=local(5, 12, 13))
    run_invoicing(as_of=local(12, 31))
    assert Invoice.objects.filter(subscription=subscription).count() == 6
