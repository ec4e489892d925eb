"""Each invariant of tax rates, registrations, exchange rates and checks of tax ids holds against every writer."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import transaction

from billing.models import (
    ExchangeRate,
    Subscription,
    TaxIdCheck,
    TaxRate,
    TaxRegistration,
)
from tests.billing.models.rows import NOW, refuses

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("percent", ["-0.0001", "100.0001"])
def test_a_tax_rate_is_at_most_100_percent(percent: str) -> None:
    with refuses("tax_rate_percent_bounded"), transaction.atomic():
        TaxRate.objects.create(country="ZZ", percent=Decimal(percent))


def test_a_country_has_one_tax_rate_a_day() -> None:
    TaxRate.objects.create(country="ZZ", percent=Decimal(21))
    TaxRate.objects.create(country="ZZ", percent=Decimal(25), valid_from=date(2026, 3, 1))
    for since in (None, date(2026, 3, 1)):
        with refuses("tax_rate_once_a_day"), transaction.atomic():
            TaxRate.objects.create(country="ZZ", percent=Decimal(9), valid_from=since)


@pytest.mark.parametrize(
    ("percent", "category", "reason"), [(0, "S", ""), (0, "Z", ""), (0, "E", ""), (21, "Z", "Books."), (0, "AE", "X.")]
)
def test_a_tax_rate_of_zero_has_its_reason(percent: int, category: str, reason: str) -> None:
    with refuses("tax_rate_of_zero_has_reason"), transaction.atomic():
        TaxRate.objects.create(country="ZZ", percent=Decimal(percent), category=category, reason=reason)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"country": "BE", "scheme": "oss_union"}, "tax_registration_once"),
        ({"country": "DE", "scheme": "barter"}, "tax_registration_scheme_known"),
        (
            {"country": "DE", "scheme": "local", "valid_from": date(2026, 3, 2), "valid_until": date(2026, 3, 1)},
            "tax_registration_days_in_order",
        ),
    ],
)
def test_a_tax_registration_is_of_a_known_kind_and_has_its_days(given: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        TaxRegistration.objects.create(**given)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "exchange_rate_once_a_day"),
        ({"day": date(2026, 2, 26), "rate": 0}, "exchange_rate_above_zero"),
        ({"currency": "EUR"}, "exchange_rate_between_two"),
        ({"day": date(2026, 2, 26), "source": ""}, "exchange_rate_has_source"),
    ],
)
def test_an_exchange_rate_is_positive_between_two_currencies(change: dict[str, object], name: str) -> None:
    known = {"currency": "USD", "day": date(2026, 2, 27), "rate": Decimal("1.0823")}
    ExchangeRate.objects.create(**known)
    with refuses(name), transaction.atomic():
        ExchangeRate.objects.create(**(known | change))


@pytest.mark.parametrize(
    ("change", "name"),
    [({"source": "guess"}, "tax_id_check_source_known"), ({"tax_id": ""}, "tax_id_check_has_tax_id")],
)
def test_a_check_of_a_tax_id_names_its_subject_and_its_author(
    subscription: Subscription, change: dict[str, object], name: str
) -> None:
    said = {"tenant": subscription.tenant, "tax_id": "DE136695976", "is_valid": True, "source": "vies"}
    with refuses(name), transaction.atomic():
        TaxIdCheck.objects.create(checked_at=NOW, **(said | change))
