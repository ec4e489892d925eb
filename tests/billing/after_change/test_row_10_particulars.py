"""Row 10: seller and buyer must be known before an invoice gets a number. Until then it is an exception."""

from datetime import timedelta

import pytest

from billing.collection.services.checkout import start_checkout
from billing.errors import ParticularsMissingError
from billing.models import BillingException, Invoice, NumberSeries
from billing.services.invoicing.exceptions import resolve_exception
from billing.services.invoicing.running import plan_invoices, run_invoicing
from tests.billing.world import MARCH, STAFF, make_plan, set_issuer, subscribe_tenant
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db
ARTICLE = "Directive 2006/112/EC, article 226 (5)"
BEFORE = "No number is given before this is filled in"
NOBODY = {"legal_name": "Your company", "address_line1": "", "city": "", "tax_id": ""}


def test_an_invoice_of_your_company_to_nowhere_gets_no_number() -> None:
    seller = set_issuer(**NOBODY)
    subscription = subscribe_tenant(address_line1="", city="", country="")

    run_invoicing(as_of=MARCH)

    [parked] = BillingException.objects.all()
    assert (parked.code, parked.detail) == (
        "particulars_missing",
        f"{BEFORE}: the seller's name, the seller's address, the customer's address ({ARTICLE}).",
    )
    assert Invoice.objects.get().number is None
    assert not NumberSeries.objects.exists()
    run_invoicing(as_of=MARCH + timedelta(days=1))
    assert BillingException.objects.count() == 1

    set_issuer(legal_name="Seller BV", address_line1="Meir 24", city="Antwerp", tax_id="BE0417497106")
    tenant = subscription.tenant
    type(tenant).objects.update(address_line1="1 Main Street", city="Springfield", country="US")
    resolve_exception(exception=parked, resolution="Filled in.", actor=STAFF, as_of=MARCH)
    run_invoicing(as_of=MARCH + timedelta(days=1))
    invoice = Invoice.objects.get()
    assert (invoice.number, invoice.total_minor) == ("INV-2026-000001", 4900)
    assert seller.legal_name == "Your company"


def test_a_dry_run_names_the_missing_particulars() -> None:
    set_issuer(**NOBODY)
    subscribe_tenant()
    [planned] = plan_invoices(as_of=MARCH)
    assert (planned.code, planned.detail) == (
        "particulars_missing",
        f"No number is given before this is filled in: the seller's name, the seller's address ({ARTICLE}).",
    )


def test_a_free_invoice_needs_no_address() -> None:
    set_issuer(**NOBODY)
    subscribe_tenant(plan=make_plan(fee="0"), address_line1="", city="", country="")
    run_invoicing(as_of=MARCH)
    assert Invoice.objects.get().number == "INV-2026-000001"


def test_no_paid_subscription_begins_without_the_customers_address() -> None:
    plan = make_plan()
    tenant = make_tenant("acme", address_line1="", city="", country="")
    with pytest.raises(ParticularsMissingError, match="An invoice needs your address"):
        start_checkout(
            tenant=tenant,
            version=plan,
            actor=STAFF,
            success_url="https://us.example/done",
            cancel_url="https://us.example/left",
            as_of=MARCH,
        )
