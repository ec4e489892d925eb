"""Row 14: a country without a rate becomes an exception, also the seller's own. Printed reasons are true."""

from decimal import Decimal

import pytest

from accounts.errors import InvalidFieldsError
from billing.domain.tax import OUT_OF_SCOPE_NOTE
from billing.models import BillingException, BillingProfile, Invoice, TaxRate
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.profiles import update_billing_profile
from tests.billing.world import MARCH, STAFF, first_invoice, subscribe_tenant
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("country", ["BE", "DE"])
def test_an_invoice_to_a_country_without_a_rate_becomes_an_exception(country: str) -> None:
    subscribe_tenant(country=country)

    run_invoicing(as_of=MARCH)

    [parked] = BillingException.objects.all()
    assert (parked.code, parked.detail) == (
        "tax_unknown",
        f"No tax rate of {country} is known for the day of supply: add its row.",
    )
    invoice = Invoice.objects.get()
    assert invoice.number is None
    assert OUT_OF_SCOPE_NOTE not in {row.reason for row in invoice.taxes.all()}


def test_the_tax_note_is_printed_only_if_it_is_true() -> None:
    [tax] = first_invoice(subscribe_tenant(country="US")).document.content["taxes"]
    assert (tax["percent"], tax["note"]) == ("0", OUT_OF_SCOPE_NOTE)


def test_a_rate_of_0_of_a_country_prints_its_reason() -> None:
    TaxRate.objects.create(country="BE", percent=Decimal(0), category="E", reason="Small business, article 56bis.")
    [tax] = first_invoice(subscribe_tenant(country="BE")).document.content["taxes"]
    assert (tax["percent"], tax["note"]) == ("0", "Small business, article 56bis.")


def test_an_own_rate_of_0_prints_its_reason() -> None:
    TaxRate.objects.create(country="BE", percent=Decimal(21))
    subscription = subscribe_tenant(country="BE")
    own = {"tax_percent": Decimal(0), "tax_exemption_reason": "Diplomatic mission."}
    update_billing_profile(tenant=subscription.tenant, changes=own, actor=STAFF, as_of=MARCH)
    [tax] = first_invoice(subscription).document.content["taxes"]
    assert (tax["percent"], tax["note"]) == ("0", "Diplomatic mission.")


@pytest.mark.parametrize("change", [{"tax_percent": Decimal(0)}, {"tax_treatment": "exempt"}])
def test_a_seller_who_charges_no_tax_states_why(change: dict[str, object]) -> None:
    tenant = make_tenant("acme")
    with pytest.raises(InvalidFieldsError) as refused:
        update_billing_profile(tenant=tenant, changes=change, actor=STAFF, as_of=MARCH)
    assert [error.pointer for error in refused.value.field_errors] == ["/tax_exemption_reason"]
    reason = {"tax_exemption_reason": "Embassy."}
    update_billing_profile(tenant=tenant, changes=change | reason, actor=STAFF, as_of=MARCH)
    with pytest.raises(InvalidFieldsError):
        update_billing_profile(tenant=tenant, changes={"tax_exemption_reason": ""}, actor=STAFF, as_of=MARCH)


def test_an_own_rate_of_0_from_before_waits_for_its_reason() -> None:
    subscription = subscribe_tenant(country="BE")
    BillingProfile.objects.create(tenant=subscription.tenant, tax_percent=Decimal(0))
    run_invoicing(as_of=MARCH)
    [parked] = BillingException.objects.all()
    assert "own rate of 0 % has no reason" in parked.detail
