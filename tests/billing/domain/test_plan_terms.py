"""What a version sells: which offers are accepted, and the digest of all its terms."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import InvalidFieldsError
from billing.domain.plan_terms import (
    PriceOffer,
    SoldPrice,
    SoldVersion,
    VersionOffer,
    check_offer,
    digest_of,
    feature_lines,
    fee_amount,
)
from billing.domain.prices import Flat, Package, PerUnit, PriceKind, Tier, Volume
from tests.billing.domain.amounts import TERMS

FEE = PriceOffer("EUR", Flat(Decimal(49)))
CALLS = PriceOffer("EUR", PerUnit(Decimal("0.001")), "calls")
OFFER = VersionOffer("pro", (FEE, CALLS))
PRICES = st.lists(
    st.builds(PriceOffer, st.sampled_from(["EUR", "USD", "JPY"]), TERMS, st.sampled_from([None, "calls", "bytes"])),
    max_size=8,
    unique_by=lambda price: (price.currency, price.meter_code),
)


def refusals(**changes: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFieldsError) as refused:
        check_offer(replace(OFFER, **changes))  # type: ignore[arg-type]
    return [(error.pointer, error.code) for error in refused.value.field_errors]


@pytest.mark.parametrize("trial_days", [0, 14, 730])
def test_an_offer_that_can_be_sold_is_accepted(trial_days: int) -> None:
    check_offer(replace(OFFER, trial_days=trial_days))


@pytest.mark.parametrize("trial_days", [-1, 731])
def test_a_trial_lasts_two_years_at_most(trial_days: int) -> None:
    assert refusals(trial_days=trial_days) == [("/trial_days", "invalid_trial_days")]


@pytest.mark.parametrize(
    ("prices", "refused"),
    [
        ((), [("/prices", "fee_missing")]),
        ((CALLS,), [("/prices", "fee_missing"), ("/prices", "fee_missing")]),
        ((FEE, replace(CALLS, currency="USD")), [("/prices", "fee_missing")]),
        ((FEE, replace(FEE, currency="XXX")), [("/prices/1/currency", "invalid_currency")]),
        ((FEE, CALLS, CALLS), [("/prices/2", "repeated_price")]),
        ((FEE, FEE), [("/prices/1", "repeated_price")]),
        ((PriceOffer("EUR", PerUnit(Decimal(1))),), [("/prices/0/model", "invalid_model")]),
        ((PriceOffer("EUR", Flat(Decimal("0.001"))),), [("/prices/0/terms/amount", "invalid_amount")]),
        ((PriceOffer("JPY", Flat(Decimal("49.5"))),), [("/prices/0/terms/amount", "invalid_amount")]),
    ],
)
def test_a_version_has_one_fee_a_currency_that_can_be_paid(
    prices: tuple[PriceOffer, ...], refused: list[tuple[str, str]]
) -> None:
    assert refusals(prices=prices) == refused


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        (Flat(Decimal(-1)), "/prices/1/terms/amount"),
        (PerUnit(Decimal("1E-13")), "/prices/1/terms/unit_amount"),
        (Package(Decimal(0), Decimal(1)), "/prices/1/terms/package_size"),
        (Volume((Tier(Decimal(1), Decimal(1)),)), "/prices/1/terms/tiers/0/up_to"),
    ],
)
def test_unreadable_terms_are_not_sold(terms: object, pointer: str) -> None:
    offered = (FEE, replace(CALLS, terms=terms))  # type: ignore[arg-type]
    assert [found for found, _ in refusals(prices=offered)] == [pointer]


def digest(prices: object, **changes: object) -> str:
    facts = {"plan_code": "pro", "number": 1, "trial_days": 0, "usage_plan_code": "pro"} | changes
    return digest_of(prices=prices, **facts)  # type: ignore[arg-type]


@given(PRICES, st.randoms())
def test_the_digest_is_the_same_in_whatever_order_prices_come(prices: list[PriceOffer], random: object) -> None:
    shuffled = list(prices)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert digest(prices) == digest(shuffled)


def test_the_digest_does_not_depend_on_how_a_rate_was_written() -> None:
    assert digest((replace(FEE, terms=Flat(Decimal("49.00"))),)) == digest((FEE,))


@pytest.mark.parametrize(
    "other",
    [
        digest((FEE,)),
        digest((FEE, replace(CALLS, currency="USD"))),
        digest((FEE, replace(CALLS, meter_code="bytes"))),
        digest((FEE, replace(CALLS, terms=Flat(Decimal("0.001"))))),
        digest((FEE, replace(CALLS, terms=PerUnit(Decimal("0.002"))))),
        digest((FEE, CALLS), plan_code="team"),
        digest((FEE, CALLS), number=2),
        digest((FEE, CALLS), trial_days=1),
        digest((FEE, CALLS), usage_plan_code="team"),
    ],
)
def test_the_digest_changes_with_any_term(other: str) -> None:
    assert other != digest((FEE, CALLS))


def test_a_version_knows_its_prices_by_currency() -> None:
    euros = SoldPrice(1, PriceKind.RECURRING, "EUR", Flat(Decimal(49)))
    calls = SoldPrice(2, PriceKind.USAGE, "EUR", PerUnit(Decimal(1)), 7, "calls", "Calls", "call")
    bytes_ = replace(calls, id=3, meter_id=8, meter_code="bytes")
    dollars = replace(euros, id=4, currency="USD")
    version = SoldVersion(1, "pro", "Pro", 1, 1, "pro", 0, "", (calls, bytes_, dollars, euros))
    assert version.fee("EUR") == euros
    assert version.fee("JPY") is None
    assert version.usage_prices("EUR") == [bytes_, calls]
    assert version.usage_prices("USD") == []
    assert version.currencies == ["EUR", "USD"]
    assert fee_amount(euros) == 49
    with pytest.raises(AssertionError):
        fee_amount(calls)


def test_benefits_are_lines_each_once_and_without_blanks_around_them() -> None:
    assert feature_lines(" E-mail\r\n\n  A   telephone \nE-mail\n") == ("E-mail", "A telephone")
    assert feature_lines(" \n ") == ()
