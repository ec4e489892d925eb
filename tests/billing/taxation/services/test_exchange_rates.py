"""Exchange rates are added once, and never changed."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from accounts.errors import ConflictError, InvalidFieldsError
from accounts.models import AuditEntry
from billing.domain.exchange import DayRate
from billing.models import ExchangeRate
from billing.taxation.services.exchange_rates import AddedRates, add_exchange_rates
from tests.billing.world import MARCH, STAFF

pytestmark = pytest.mark.django_db
FRIDAY = DayRate("EUR", "USD", date(2026, 2, 27), Decimal("1.0823"))


def add(*rates: DayRate) -> AddedRates:
    return add_exchange_rates(rates=rates, actor=STAFF, as_of=MARCH)


def test_the_same_exchange_rates_are_added_once() -> None:
    thursday = replace(FRIDAY, day=date(2026, 2, 26), rate=Decimal("1.1"))
    assert add(FRIDAY) == AddedRates(1, 0)
    assert add(FRIDAY, thursday) == AddedRates(1, 1)
    assert add(FRIDAY, thursday) == AddedRates(0, 2)
    assert ExchangeRate.objects.count() == 2
    assert AuditEntry.objects.filter(action="exchange_rates.added").count() == 2


def test_another_rate_for_a_known_day_adds_nothing_at_all() -> None:
    add(FRIDAY)
    with pytest.raises(ConflictError, match=r"is stored as 1\.0823 USD, not 1\.2"):
        add(replace(FRIDAY, day=date(2026, 2, 25)), replace(FRIDAY, rate=Decimal("1.2")))
    assert ExchangeRate.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"day": date(2026, 3, 2)}, "/day"),
        ({"rate": Decimal(0)}, "/rate"),
        ({"source": " "}, "/rate"),
        ({"currency": "EUR"}, "/rate"),
    ],
)
def test_an_invalid_exchange_rate_is_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        add(replace(FRIDAY, **change))
    assert [error.pointer for error in refused.value.field_errors] == [field]
