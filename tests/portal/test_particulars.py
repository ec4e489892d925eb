"""Who is billed: requested before anything paid begins, with the tax computed while it is typed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import AuditEntry, Tenant
from billing.models import PlanVersion, Subscription, TaxRate, TaxRegistration
from billing.services.subscriptions.subscribing import subscribe
from billing.taxlaw.domain.tax_rules import TaxScheme
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.world import STAFF, close_month, make_plan, set_issuer
from tests.portal.conftest import NOW, Cast
from tests.portal.views.test_pricing import shown

ORDER = "/t/acme/plan/choose/"
TYPED = {"headers": {"HX-Request": "true"}}
NOWHERE = {"address_line1": "", "address_line2": "", "postal_code": "", "city": "", "region": "", "country": ""}
ADDRESS = {"address_line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE"}


@pytest.fixture
def pro(cast: Cast, settings: Settings) -> PlanVersion:
    """Create a plan with a fee, a seller in Belgium with the one-stop shop, and Acme, which has no address."""
    settings.STRIPE_SECRET_KEY = "sk_test_countinghouseFakeStripe000"
    set_issuer(legal_name="Seller BV", address_line1="Meir 24", city="Antwerp", country="BE", tax_id="BE0417497106")
    TaxRate.objects.all().delete()
    TaxRate.objects.bulk_create(
        TaxRate(country=country, percent=Decimal(percent)) for country, percent in (("BE", 21), ("DE", 19))
    )
    TaxRegistration.objects.all().delete()
    TaxRegistration.objects.create(country="BE", scheme=TaxScheme.OSS_UNION)
    Tenant.objects.filter(pk=cast.acme.pk).update(tax_id="", **NOWHERE)
    return make_plan("pro")


def test_the_tax_follows_what_is_typed_and_nothing_is_stored(alice: Client, pro: PlanVersion) -> None:
    page = shown(alice.get(f"{ORDER}?plan=pro"))
    assert "Choose a country to see the tax." in page
    assert "Total without tax 49.00 EUR" in page

    def typed(country: str, tax_id: str = "") -> str:
        return shown(alice.get(ORDER, {"plan": "pro", "country": country, "tax_id": tax_id}, **TYPED))

    assert "Subtotal 49.00 EUR VAT 21 % 10.29 EUR Total due 59.29 EUR" in typed("BE")
    assert "VAT 19 % 9.31 EUR Total due 58.31 EUR" in typed("DE")
    business = typed("de", "DE 136 695 976")
    assert "VAT 0 % 0.00 EUR Reverse charge: the recipient is liable for the tax" in business
    assert "number is not verified. Total due 49.00 EUR" in business
    assert "Not subject to tax in the country of the seller. Total due 49.00 EUR" in typed("US")
    wrong = typed("DE", "FR40303265045")
    assert "FR40303265045 is not a tax id of DE. The tax is shown as without a number." in wrong
    assert "Total due 58.31 EUR" in wrong
    assert "customer in France yet. You can order: the plan begins, and your invoice waits" in typed("FR")
    assert "Total without tax 49.00 EUR" in typed("FR")
    assert "Choose a country to see the tax." in typed("Atlantis", "x")
    assert Tenant.objects.get(slug="acme").country == ""


def test_without_scripts_a_button_computes_the_tax_and_orders_nothing(alice: Client, pro: PlanVersion) -> None:
    form = {"plan": "pro", "plan_version": pro.pk, "look": "1", "country": "DE", "city": "Bonn"}

    answer = alice.post(ORDER, form)

    assert answer.status_code == 200
    assert "Total due 58.31 EUR" in shown(answer)
    assert 'value="Bonn"' in answer.content.decode(), "what was typed is kept"
    assert Tenant.objects.get(slug="acme").city == ""


def test_an_order_stores_who_is_billed_before_anything_paid_begins(
    fake_stripe: FakeStripe, alice: Client, pro: PlanVersion
) -> None:
    form = {"plan": "pro", "plan_version": pro.pk}
    answer = alice.post(ORDER, form)
    assert answer.status_code == 422
    assert shown(answer).count("This field is required.") == 3
    answer = alice.post(ORDER, form | ADDRESS | {"tax_id": "FR40303265045"})
    assert answer.status_code == 422
    assert "FR40303265045 is not a tax id of DE." in shown(answer)
    assert Tenant.objects.get(slug="acme").city == ""

    answer = alice.post(ORDER, form | ADDRESS | {"tax_id": "DE136695976"})

    assert f"url={fake_stripe.url}/" in answer.content.decode()
    acme = Tenant.objects.get(slug="acme")
    assert (acme.city, acme.country, acme.tax_id) == ("Berlin", "DE", "DE136695976")
    assert AuditEntry.objects.filter(action="tenant.updated", tenant_id=acme.pk).count() == 1
    assert not Subscription.objects.exists()


def test_a_free_plan_needs_no_particulars_and_changing_to_a_paid_one_does(
    fake_stripe: FakeStripe, cast: Cast, alice: Client, pro: PlanVersion
) -> None:
    free = make_plan("free", fee="0", usage={})
    assert "Billed to" not in shown(alice.get(f"{ORDER}?plan=free"))
    subscribe(tenant=cast.acme, plan_version=free, actor=STAFF, as_of=NOW)
    assert "Billed to" in shown(alice.get(f"{ORDER}?plan=pro"))
    assert "VAT 19 %" in shown(alice.get(ORDER, {"plan": "pro", "country": "DE", "tax_id": ""}, **TYPED))

    form = {"plan": "pro", "plan_version": pro.pk, "when": "now", "version": Subscription.objects.get().version}
    assert alice.post(ORDER, form).status_code == 422
    assert f"url={fake_stripe.url}/" in alice.post(ORDER, form | ADDRESS).content.decode()


def test_a_tenant_that_pays_by_transfer_enters_a_missing_address_at_the_next_change(
    cast: Cast, alice: Client, pro: PlanVersion
) -> None:
    big = make_plan("big", fee="199", usage={})
    Tenant.objects.filter(pk=cast.acme.pk).update(**ADDRESS)
    subscription = subscribe(tenant=cast.acme, plan_version=pro, actor=STAFF, as_of=NOW - timedelta(days=2))
    close_month(subscription, as_of=NOW - timedelta(days=1))
    Tenant.objects.filter(pk=cast.acme.pk).update(**NOWHERE)
    form = {"plan": "big", "plan_version": big.pk, "when": "now", "version": Subscription.objects.get().version}
    assert alice.post(ORDER, form).status_code == 422

    assert "You are on Big now." in shown(alice.post(ORDER, form | ADDRESS, follow=True))
    assert "Billed to" not in shown(alice.get(f"{ORDER}?plan=pro"))
