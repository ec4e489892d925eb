"""Row 8: an upgrade and then an end charge at most the days until the end, and the pages show it before."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.domain.prices import Graduated, Tier
from billing.models import InvoiceLine, LineKind, Subscription
from billing.selectors.invoicing.preview import preview_end
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from tests.billing.world import GRACE, STAFF, first_invoice, latest_invoice, make_plan, set_issuer, subscribe_tenant

pytestmark = pytest.mark.django_db

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
NOON_OF_THE_2ND = NOVEMBER + timedelta(days=1, hours=12)


@pytest.fixture(params=["by_day", "none"])
def upgraded(request: pytest.FixtureRequest) -> Subscription:
    """Change from Free to Scale at 199.00 on the second of 30 days."""
    set_issuer(fee_refund=request.param)
    made = subscribe_tenant(plan=make_plan("free", fee="0"), as_of=NOVEMBER)
    first_invoice(made)
    tiers = Graduated((Tier(Decimal(1000), Decimal(0)), Tier(None, Decimal("0.032"))))
    scale = make_plan("scale", fee="199", usage={"calls": tiers})
    return change_plan(subscription=made, plan_version=scale, when=When.NOW, actor=STAFF, as_of=NOON_OF_THE_2ND - GRACE)


def ended(subscription: Subscription, at: datetime) -> int:
    """Cancel, and return the sum of the last invoice before tax, which was shown before."""
    shown = preview_end(subscription=subscription, at=at, as_of=at)
    assert shown is not None
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=at)
    run_invoicing(as_of=at + GRACE)
    invoice = latest_invoice(subscription)
    stored = InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision).order_by("position")
    assert [(line.description, line.amount_minor) for line in stored] == [
        (line.description, line.amount_minor) for line in shown.lines
    ]
    assert (invoice.subtotal_minor, invoice.total_minor) == (shown.subtotal_minor, shown.total_minor)
    assert not [line for line in stored if line.kind == LineKind.PRORATION and line.period_end > at]
    return int(invoice.subtotal_minor)


def test_an_end_on_the_day_of_the_upgrade_charges_no_day_after(upgraded: Subscription) -> None:
    assert ended(upgraded, NOON_OF_THE_2ND) == 0


@pytest.mark.parametrize(("days", "minor"), [(1, 663), (5, 3317), (28, 18573)])
def test_an_end_later_charges_the_days_until_then(upgraded: Subscription, days: int, minor: int) -> None:
    assert ended(upgraded, NOON_OF_THE_2ND + timedelta(days=days)) == minor


def test_an_upgrade_that_stays_is_charged_to_the_end_of_the_period(upgraded: Subscription) -> None:
    upgraded.refresh_from_db()
    run_invoicing(as_of=upgraded.period_end + GRACE)
    assert latest_invoice(upgraded).subtotal_minor == 19237 + 19900
