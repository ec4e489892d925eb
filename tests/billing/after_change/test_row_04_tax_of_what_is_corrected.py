"""Row 4: a correction bears the tax of what it corrects, whatever tax applies today."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Tenant
from billing.domain.tax import TaxTreatment
from billing.models import BillingException, BillingProfile, Invoice, Subscription, TaxRate
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.verification.services.running import run_verification
from metering.services.voids import void_event
from tests.billing.world import GRACE, STAFF, first_invoice, make_plan, set_issuer, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of

pytestmark = pytest.mark.django_db

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def reverse_charge(tenant: Tenant, treatment: TaxTreatment = TaxTreatment.REVERSE_CHARGE) -> None:
    # Whoever declares the tax is named with a VAT number (article 226 (4)).
    Tenant.objects.filter(pk=tenant.pk).update(tax_id="BE0403019261")
    BillingProfile.objects.update_or_create(tenant=tenant, defaults={"tax_treatment": treatment})


def subscribed(country: str, percent: int, fee: str = "0", as_of: datetime = MARCH) -> Subscription:
    TaxRate.objects.update_or_create(country=country, defaults={"name": "VAT", "percent": Decimal(percent)})
    set_issuer(country=country)
    plan = make_plan(fee=fee)
    made = subscribe_tenant(plan=plan, as_of=as_of, country=country, backfill_days=35)
    first_invoice(made)
    return made


def void(tenant: Tenant, event: str, at: datetime) -> None:
    void_event(ledger=ledger_of(tenant), event_id=event, reason="a test", voided_by="acme", as_of=at)


def rows(boundary: int) -> list[tuple[str, int, int]]:
    return [(row.category, row.base_minor, row.tax_minor) for row in Invoice.objects.get(boundary=boundary).taxes.all()]


def test_usage_that_was_taxed_is_given_back_with_its_tax() -> None:
    subscription = subscribed("DE", 19)
    [event] = use(subscription.tenant, 100_000, at=MARCH + DAY)
    run_invoicing(as_of=APRIL + GRACE)
    assert rows(1) == [("S", 10_000, 1_900)]
    reverse_charge(subscription.tenant)
    void(subscription.tenant, event, APRIL + DAY)
    run_invoicing(as_of=MAY + GRACE)
    assert rows(2) == [("AE", 0, 0), ("S", -10_000, -1_900)]
    assert Invoice.objects.get(boundary=2).carried_minor == 11_900
    assert run_verification(started_by="test", as_of=MAY + DAY).differences == []


def test_a_downgrade_gives_back_1169_67_of_1210() -> None:
    subscription = subscribed("BE", 21, fee="1000", as_of=NOVEMBER)
    assert Invoice.objects.get(boundary=0).total_minor == 121_000
    small = make_plan("small", fee="0", usage={})
    reverse_charge(subscription.tenant)
    change_plan(subscription=subscription, plan_version=small, when=When.NOW, actor=STAFF, as_of=NOVEMBER + DAY)
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=NOVEMBER + 2 * DAY)
    run_invoicing(as_of=NOVEMBER + 80 * DAY)
    december = Invoice.objects.get(boundary=1)
    assert (december.subtotal_minor, december.tax_minor, december.carried_minor) == (-96_667, -20_300, 116_967)
    told = BillingException.objects.get().detail
    assert "1,169.67\N{NO-BREAK SPACE}EUR in the customer's favour, tax included" in told
    assert run_verification(started_by="test", as_of=NOVEMBER + 81 * DAY).differences == []


def test_a_correction_of_an_untaxed_supply_does_not_lower_the_base_of_a_taxed_one() -> None:
    subscription = subscribed("BE", 21)
    reverse_charge(subscription.tenant)
    [event] = use(subscription.tenant, 100_000, at=MARCH + DAY)
    run_invoicing(as_of=APRIL + GRACE)
    reverse_charge(subscription.tenant, TaxTreatment.STANDARD)
    void(subscription.tenant, event, APRIL + DAY)
    use(subscription.tenant, 100_000, at=APRIL + DAY)
    run_invoicing(as_of=MAY + GRACE)
    may = Invoice.objects.get(boundary=2)
    assert (may.subtotal_minor, may.tax_minor, may.total_minor) == (0, 2_100, 2_100)
    assert run_verification(started_by="test", as_of=MAY + DAY).differences == []
