"""The demonstration's money: invoices in every state by the real services, the same however often the seed runs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import F
from pytest_django import Settings

from billing.desk.models import Approval, WriteOff
from billing.domain.money import is_whole_minor
from billing.domain.plan_terms import check_offer, fee_amount
from billing.ledger.models import ClosedMonth
from billing.models import CreditNote, Invoice, InvoiceLine, NumberSeries, Payment, PaymentRefund, Subscription
from billing.selectors.catalog.plans import plans_for_sale
from billing.verification.services.running import run_verification
from config.workbench.demo.billing import LATE_EVENTS, STORIES
from config.workbench.demo.cast import TENANTS
from config.workbench.demo.catalogue import ADDRESSES, PRODUCTS, RATES, offer_of
from config.workbench.demo.desk import CREDITED_MINOR
from config.workbench.demo.steps import seed_demo
from metering.alerts.models import ThresholdAlert
from metering.services.partitions import ensure_partitions_around

pytestmark = pytest.mark.django_db
AS_OF = datetime(2026, 11, 21, 12, 17, 33, tzinfo=UTC)
QUIET = 1
# Long enough for what happens to each, with as little traffic as there may be.
SLUGS = (
    "northwind-maps",
    "harbor-analytics",
    "kestrel-logistics",
    "fjord-robotics",
    "atlas-freight",
    "oldgate-devices",
)
SMALL = [replace(tenant, hourly_tenths=QUIET, spike_days=()) for tenant in TENANTS if tenant.slug in SLUGS]


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def seed(tmp_path: Path, as_of: datetime) -> None:
    ensure_partitions_around(as_of=as_of, backfill_days=190)
    seed_demo(seed="money", as_of=as_of, credentials_file=tmp_path / "demo.json", tenants=SMALL)


def told() -> list[tuple[object, ...]]:
    rows = Invoice.objects.order_by("number").values_list("number", "status", "total_minor", "tenant__slug", "boundary")
    return [*rows, *Payment.objects.order_by("reference").values_list("reference", "status")]


def test_every_demo_tenant_has_an_address_and_a_currency_for_sale() -> None:
    assert set(ADDRESSES) == {tenant.slug for tenant in TENANTS}
    assert {tenant.currency for tenant in TENANTS} <= set(RATES)
    assert set(STORIES) <= set(ADDRESSES)


def test_every_demo_plan_can_be_sold_in_every_currency() -> None:
    for product in PRODUCTS:
        offer = offer_of(product)
        check_offer(offer)
        assert {price.currency for price in offer.prices} == set(RATES)


def test_half_a_year_of_money_is_created_once(tmp_path: Path) -> None:
    seed(tmp_path, AS_OF)
    first = told()
    statuses = set(Invoice.objects.values_list("status", flat=True))
    assert statuses == {"paid", "finalized", "void", "uncollectible"}
    assert CreditNote.objects.filter(part_of=None).count() == 3  # two by story, one of the invoice issued again
    assert CreditNote.objects.exclude(part_of=None).get().subtotal_minor == CREDITED_MINOR
    assert Invoice.objects.get(kind="replacement").replaces.credit_note is not None
    assert WriteOff.objects.get().invoice.status == "uncollectible"
    assert [row.kind for row in Approval.objects.filter(status="open")] == ["manual_invoice"]
    assert Invoice.objects.filter(kind="manual").count() == 1
    assert (
        PaymentRefund.objects.get().amount_minor
        == CreditNote.objects.get(invoice__tenant__slug="fjord-robotics").total_minor
    )
    partly = Invoice.objects.get(status="finalized", amount_paid_minor__gt=0)
    assert 0 < partly.amount_due_minor < partly.total_minor
    closed = [str(month) for month in ClosedMonth.objects.all()]
    assert closed[0] == "2026-08", "three months are open"
    assert NumberSeries.objects.get(code="INV-2026").last_number == Invoice.objects.count()
    assert not Invoice.objects.filter(finalized_at__lt=F("subscription__started_at")).exists()
    assert {s.tenant.slug: s.status for s in Subscription.objects.select_related("tenant")} == {
        "northwind-maps": "active",
        "harbor-analytics": "active",
        "kestrel-logistics": "active",
        "fjord-robotics": "active",
        "atlas-freight": "past_due",
        "oldgate-devices": "past_due",
    }
    corrections = InvoiceLine.objects.filter(kind="adjustment", meter__code="api_requests")
    assert [line.quantity for line in corrections] == [LATE_EVENTS]
    assert InvoiceLine.objects.filter(kind="proration", invoice__tenant__slug="northwind-maps").count() == 2
    assert Payment.objects.filter(status="failed", invoice__tenant__slug="atlas-freight").count() == 2
    assert not ThresholdAlert.objects.filter(occurred_at__gt=AS_OF).exists()
    for version in plans_for_sale():
        for currency in version.currencies:
            fee = version.fee(currency)
            assert fee is not None
            assert is_whole_minor(fee_amount(fee), currency)
            assert fee_amount(fee) >= Decimal(0)
    assert run_verification(started_by="test", as_of=AS_OF).differences == []
    seed(tmp_path, AS_OF + timedelta(hours=3))
    assert told() == first
