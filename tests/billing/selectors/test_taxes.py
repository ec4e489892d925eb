from datetime import date
from decimal import Decimal

import pytest

from accounts.models import Tenant
from billing.domain.tax import TaxCategory, TaxDecision, TaxTreatment
from billing.models import BillingProfile, Issuer, TaxRate, TaxRegistration
from billing.selectors.taxes import number_with_rate, tax_tables
from tests.billing.world import first_invoice, subscribe_tenant
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)


def decided(tenant: Tenant, day: date = DAY) -> TaxDecision:
    return tax_tables([tenant.pk])[tenant.pk].on(day)


def test_each_tenant_has_the_tax_that_its_country_and_its_profile_give() -> None:
    TaxRate.objects.create(country="BE", percent=Decimal(21))
    plain, exempt = make_tenant("plain", country="BE"), make_tenant("exempt", country="BE")
    BillingProfile.objects.create(tenant=exempt, tax_treatment=TaxTreatment.EXEMPT, tax_exemption_reason="Embassy.")

    tables = tax_tables([plain.pk, exempt.pk])

    found = tables[plain.pk].on(DAY)
    assert (found.category, found.jurisdiction, found.percent) == (TaxCategory.STANDARD, "BE", Decimal(21))
    assert (tables[exempt.pk].on(DAY).category, tables[exempt.pk].on(DAY).note) == (TaxCategory.EXEMPT, "Embassy.")


def test_tax_rates_and_registrations_apply_on_their_days() -> None:
    TaxRegistration.objects.update(valid_from=date(2026, 2, 1))
    TaxRate.objects.create(country="DE", percent=Decimal(19))
    TaxRate.objects.create(country="DE", percent=Decimal(16), valid_from=date(2026, 3, 1))
    tenant = make_tenant("acme", country="DE")

    days = [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 1)]
    assert [bool(decided(tenant, day).problem) for day in days] == [True, False, False]
    assert [decided(tenant, day).percent for day in days] == [0, 19, 16]


def test_a_tax_id_in_the_format_of_an_earlier_release_is_none() -> None:
    TaxRate.objects.create(country="DE", percent=Decimal(19))
    wrong = make_tenant("wrong", country="DE", tax_id="DE000000000")
    right = make_tenant("right", country="DE", tax_id="DE136695976")
    assert decided(wrong).percent == 19
    assert decided(right).treatment is TaxTreatment.REVERSE_CHARGE


def test_the_seller_chooses_what_an_unverified_number_means() -> None:
    TaxRate.objects.create(country="DE", percent=Decimal(19))
    Issuer.objects.update(unverified_tax_ids="tax")
    assert decided(make_tenant("acme", country="DE", tax_id="DE136695976")).percent == 19


def test_a_rate_knows_the_first_invoice_that_bears_it() -> None:
    rate = TaxRate.objects.create(country="BE", percent=Decimal(21))
    other = TaxRate.objects.create(country="BE", percent=Decimal(25), valid_from=date(2026, 4, 1))
    invoice = first_invoice(subscribe_tenant(country="BE"))
    assert (number_with_rate(rate), number_with_rate(other)) == (invoice.number, None)
