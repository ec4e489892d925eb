"""Strategies for money: currencies of every number of digits, rates, quantities, and the terms of each price model."""

from decimal import Decimal

from hypothesis import strategies as st

from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume

CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "UYW"])
RATES = st.decimals(0, Decimal(10) ** 9, places=12)
QUANTITIES = st.decimals(0, Decimal(10) ** 12, places=9)
SIZES = st.decimals(Decimal("0.000000001"), Decimal(10) ** 6, places=9)


@st.composite
def tiers(draw: st.DrawFn, rates: st.SearchStrategy[Decimal] = RATES) -> tuple[Tier, ...]:
    ends = sorted(draw(st.sets(SIZES, max_size=6)))
    return tuple(Tier(end, draw(rates), draw(rates)) for end in [*ends, None])


def terms_at(rates: st.SearchStrategy[Decimal]) -> st.SearchStrategy[PriceTerms]:
    """Return the terms of every price model at these rates."""
    each = tiers(rates)
    return st.one_of(
        rates.map(Flat), rates.map(PerUnit), each.map(Graduated), each.map(Volume), st.builds(Package, SIZES, rates)
    )


TIERS = tiers()
GRADUATED = TIERS.map(Graduated)
VOLUME = TIERS.map(Volume)
PER_UNIT = RATES.map(PerUnit)
PACKAGES = st.builds(Package, SIZES, RATES)
TERMS = terms_at(RATES)
