"""The cost of parts of a period: they sum to the amount of the whole, whatever the price."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.plan_terms import SoldPrice
from billing.domain.prices import Graduated, PerUnit, PriceKind, Tier
from billing.domain.usage_cost import PricedSpan, amounts_of_parts, included_units
from metering.domain.periods import Span

MARCH = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
PARTS = st.lists(st.decimals(0, 10**9, places=9), max_size=8)


@given(PARTS, st.decimals(0, 10**9, places=9), st.integers(0, 10**9))
def test_parts_and_the_rest_sum_to_the_amount(parts: list[Decimal], rest: Decimal, amount_minor: int) -> None:
    priced = PricedSpan(MARCH, sum(parts, rest), amount_minor)

    amounts = amounts_of_parts(priced, [*parts, rest])

    assert sum(amounts) == (amount_minor if sum(parts, rest) else 0)
    assert all(amount >= 0 for amount in amounts)


def test_a_part_bears_its_share_and_leaves_the_rest() -> None:
    assert amounts_of_parts(PricedSpan(MARCH, Decimal(3), 100), [Decimal(1), Decimal(1)]) == [34, 33]
    assert amounts_of_parts(PricedSpan(MARCH, Decimal(2), 101), [Decimal(1), Decimal(1)]) == [51, 50]


def test_units_of_a_free_first_tier_are_included() -> None:
    def price(*tiers: Tier) -> SoldPrice:
        return SoldPrice(1, PriceKind.USAGE, "EUR", Graduated(tiers))

    paid = Tier(None, Decimal(1))
    assert included_units(price(Tier(Decimal(500), Decimal(0)), paid)) == 500
    assert included_units(price(Tier(Decimal(500), Decimal(0), Decimal(3)), paid)) is None
    assert included_units(SoldPrice(1, PriceKind.USAGE, "EUR", PerUnit(Decimal(0)))) is None
