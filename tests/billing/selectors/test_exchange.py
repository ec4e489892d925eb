from datetime import date
from decimal import Decimal

import pytest

from billing.models import ExchangeRate
from billing.selectors.exchange import conversions

pytestmark = pytest.mark.django_db


def test_the_latest_exchange_rate_of_the_days_before_counts() -> None:
    for day, rate in ((19, "1.3"), (26, "1.1"), (27, "1.0823")):
        ExchangeRate.objects.create(currency="USD", day=date(2026, 2, day), rate=Decimal(rate))
    found = conversions(["USD", "GBP"], "EUR", date(2026, 3, 1))
    assert {currency: way.rates[0].rate for currency, way in found.items()} == {"USD": Decimal("1.0823")}
    assert conversions(["USD"], "EUR", date(2026, 3, 20)) == {}
