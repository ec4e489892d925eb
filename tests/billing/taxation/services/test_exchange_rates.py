"""Exchange rates are added once, and never changed: a correction is a later version."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from accounts.errors import ConflictError, InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from billing.domain.exchange import DayRate
from billing.models import ExchangeRate
from billing.selectors.exchange import conversions
from billing.taxation.services.exchange_rates import AddedRates, add_exchange_rates, correct_exchange_rate
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


def test_a_correction_is_a_later_version_that_drafts_use() -> None:
    add(FRIDAY)
    wrong = ExchangeRate.objects.get()
    act = {"reason": "a typing error", "actor": STAFF, "as_of": MARCH}
    right = correct_exchange_rate(rate_id=wrong.pk, right=replace(FRIDAY, rate=Decimal("1.2")), **act)
    assert (right.version, right.reason, ExchangeRate.objects.count()) == (2, "a typing error", 2)
    assert conversions(["USD"], "EUR", MARCH.date())["USD"].amount_minor(1200) == 1000
    entry = AuditEntry.objects.get(action="exchange_rate.corrected")
    assert (entry.before["rate"], entry.after["rate"]) == ("1.0823", "1.2")
    # The bank's file is compared with what holds now.
    assert add(replace(FRIDAY, rate=Decimal("1.2"))) == AddedRates(0, 1)
    for rate_id, rate, error in (
        (wrong.pk, "1.3", ConflictError),
        (right.pk, "1.2", ConflictError),
        (0, "1.3", NotFoundError),
        (right.pk, "0", InvalidFieldsError),
    ):
        with pytest.raises(error):
            correct_exchange_rate(rate_id=rate_id, right=replace(FRIDAY, rate=Decimal(rate)), **act)
    with pytest.raises(IntegrityError, match="exchange_rate_correction_has_reason"), transaction.atomic():
        ExchangeRate.objects.create(per="EUR", currency="USD", day=FRIDAY.day, rate=1, version=3)
