"""The pages of tax rates, registrations, the confirmation of the tax rules, exchange rates and tax ids."""

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import ExchangeRate, Issuer, TaxRate, TaxRegistration
from tests.billing.admin.desk import act, latest_entry, listed, page, sold
from tests.billing.world import first_invoice, set_issuer
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db
RATE = "/admin/billing/taxrate/add/"
REGISTRATION = "/admin/billing/taxregistration/add/"
EXCHANGE = "/admin/billing/exchangerate/add/"
GERMAN = {"country": "DE", "name": "MwSt", "percent": "19", "category": "S"}
FRENCH = {"country": "FR", "scheme": "local", "tax_id": "FR40303265045"}


def test_tax_rates_are_changed_with_an_audit_entry_and_a_hint(as_bo: Client) -> None:
    sold(country="DE")
    as_bo.post(RATE, GERMAN)
    rate = TaxRate.objects.get()
    assert latest_entry().action == "taxrate.created"
    text = as_bo.get(page(rate)).content.decode()
    assert "1 live subscription in DE. 100.00 EUR become 119.00" in text
    as_bo.post(page(rate), GERMAN | {"percent": "16"})
    assert latest_entry().after == {"percent": "16"}
    assert as_bo.get("/admin/billing/taxrate/nonsense/change/").status_code in {302, 404}
    as_bo.post(page(rate, "delete"), {"post": "yes"})
    assert latest_entry().action == "taxrate.deleted"


def test_the_form_of_a_zero_rate_requires_its_reason(as_bo: Client) -> None:
    answer = as_bo.post(RATE, GERMAN | {"percent": "0"})
    assert "A rate of 0 % is zero-rated or exempt and has a reason" in answer.content.decode()
    as_bo.post(RATE, GERMAN | {"percent": "0", "category": "Z", "reason": "Books."})
    assert TaxRate.objects.get().reason == "Books."


def test_two_rates_of_one_day_are_refused(as_bo: Client) -> None:
    as_bo.post(RATE, GERMAN)
    assert "has a row that begins on this day" in as_bo.post(RATE, GERMAN).content.decode()
    assert as_bo.post(RATE, GERMAN | {"percent": "16", "valid_from": "2026-07-01"}).status_code == 302


def test_a_rate_that_invoices_bear_is_read_only(as_bo: Client) -> None:
    as_bo.post(RATE, GERMAN)
    number = first_invoice(sold(country="DE")).number
    rate = TaxRate.objects.get()
    text = as_bo.get(page(rate)).content.decode()
    assert f"It stands on {number} and stays" in text
    assert as_bo.post(page(rate), GERMAN | {"percent": "16"}).status_code == 403
    assert as_bo.post(page(rate, "delete"), {"post": "yes"}).status_code == 403
    assert TaxRate.objects.get().percent == 19


def test_registrations_are_changed_with_audit_entries(as_bo: Client, as_kim: Client) -> None:
    as_bo.post(REGISTRATION, FRENCH)
    registration = TaxRegistration.objects.get(country="FR")
    assert latest_entry().action == "taxregistration.created"
    as_bo.post(page(registration), FRENCH | {"valid_until": "2026-12-31"})
    assert latest_entry().after == {"valid_until": "2026-12-31"}
    assert "needs no row" in as_kim.get(page(registration)).content.decode()
    assert as_kim.post(REGISTRATION, FRENCH).status_code == 403
    as_bo.post(page(registration, "delete"), {"post": "yes"})
    assert latest_entry().action == "taxregistration.deleted"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tax_id": "FR00000000000"}, "FR00000000000 is not a tax id of FR."),
        ({"valid_from": "2026-03-02", "valid_until": "2026-03-01"}, "It ends after it begins."),
    ],
)
def test_an_invalid_registration_is_refused_with_an_explanation(
    as_bo: Client, changes: dict[str, str], sentence: str
) -> None:
    assert sentence in as_bo.post(REGISTRATION, FRENCH | changes).content.decode()


def test_staff_confirm_the_tax_rules_once(as_bo: Client, as_kim: Client) -> None:
    set_issuer(country="DE", tax_id="DE136695976")
    confirm = reverse("admin:billing_taxregistration_confirm_tax_rules")
    issuer = Issuer.objects.get()
    assert (
        "Confirm who is charged which tax: no member of staff has done it yet."
        in as_bo.get(page(issuer)).content.decode()
    )
    assert "docs/algorithms/tax.md" in as_bo.get(confirm).content.decode()
    assert as_kim.post(confirm).status_code == 403
    assert as_bo.post(confirm).status_code == 302
    assert Issuer.objects.get().is_tax_confirmed
    assert "bo@example.org confirmed them" in as_bo.get(confirm).content.decode()
    assert "Confirm who is charged which tax" not in as_bo.get(page(issuer)).content.decode()


def test_an_exchange_rate_is_added_and_stays(as_bo: Client, as_kim: Client) -> None:
    given = {"per": "EUR", "currency": "USD", "day": "2026-02-27", "rate": "1.0823", "source": "European Central Bank"}
    assert as_kim.post(EXCHANGE, given).status_code == 403
    assert as_bo.post(EXCHANGE, given).status_code == 302
    assert latest_entry().action == "exchange_rates.added"
    rate = ExchangeRate.objects.get()
    assert "import_exchange_rates" in as_bo.get(page(rate)).content.decode()
    assert ">1.0823<" in as_bo.get(listed(ExchangeRate)).content.decode()
    assert as_bo.post(page(rate), given | {"rate": "2"}).status_code == 403
    assert "The rate of this day is known" in as_bo.post(EXCHANGE, given).content.decode()
    assert "Issued documents keep the rate" in as_bo.get(page(rate, "correct")).content.decode()
    right = {"rate": "1.0932", "source": "European Central Bank", "reason": "Typed wrongly."}
    assert as_kim.post(page(rate, "correct"), right).status_code == 403
    assert act(as_bo, rate, "correct", **right).startswith("Corrected: 1 EUR = 1.0932 USD")
    assert ExchangeRate.objects.get(version=2).reason == "Typed wrongly."
    assert "The day is in the future." in as_bo.post(EXCHANGE, given | {"day": "2099-01-01"}).content.decode()


def test_staff_record_what_they_found_of_a_tax_id(as_bo: Client, as_kim: Client) -> None:
    tenant = make_tenant("acme", country="DE", tax_id="DE136695976")
    given = {"verdict": "yes", "reference": "By phone."}
    assert as_kim.post(page(tenant, "record_tax_id_check"), given).status_code == 403
    assert "is kept as evidence" in as_bo.get(page(tenant, "record_tax_id_check")).content.decode()
    assert act(as_bo, tenant, "record_tax_id_check", **given) == "The check of DE136695976 is recorded."
    assert "By phone." in as_bo.get(page(tenant)).content.decode()
    assert latest_entry().action == "tenant.tax_id_checked"
