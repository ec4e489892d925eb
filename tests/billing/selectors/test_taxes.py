from datetime import date
from decimal import Decimal

import pytest

from billing.domain.tax import TaxCategory, TaxTreatment
from billing.models import BillingProfile, Issuer, TaxRate
from billing.selectors.taxes import tax_tables
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


def test_each_tenant_has_the_tax_that_its_country_and_its_profile_give() -> None:
    Issuer.objects.filter(pk=1).update(country="BE")
    TaxRate.objects.create(country="BE", percent=Decimal(21))
    plain, exempt = make_tenant("plain"), make_tenant("exempt")
    BillingProfile.objects.create(tenant=exempt, tax_treatment=TaxTreatment.EXEMPT, tax_exemption_reason="Embassy.")

    tables = tax_tables([plain.pk, exempt.pk])

    day = date(2026, 3, 1)
    found = tables[plain.pk].on(day)
    assert (found.category, found.jurisdiction, found.percent) == (TaxCategory.STANDARD, "BE", Decimal(21))
    assert (tables[exempt.pk].on(day).category, tables[exempt.pk].on(day).note) == (TaxCategory.EXEMPT, "Embassy.")
