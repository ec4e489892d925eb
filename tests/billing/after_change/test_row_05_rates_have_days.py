"""Row 5: a rate has days of validity, and the day of supply decides."""

from datetime import date
from decimal import Decimal

import pytest

from billing.models import TaxRate
from billing.selectors.taxes import tax_tables
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


def test_a_supply_of_february_bears_21_percent_and_one_of_march_25() -> None:
    TaxRate.objects.create(country="BE", percent=Decimal(21))
    TaxRate.objects.create(country="BE", percent=Decimal(25), valid_from=date(2026, 3, 1))
    tenant = make_tenant("acme", country="BE")
    table = tax_tables([tenant.pk])[tenant.pk]
    assert [table.on(day).percent for day in (date(2026, 2, 28), date(2026, 3, 1))] == [21, 25]
