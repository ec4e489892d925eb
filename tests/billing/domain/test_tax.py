"""Tax: the worked amounts of docs/algorithms/rating.md."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.tax import TaxDecision, TaxTreatment
from tests.algorithm_pages import rows_below
from tests.billing.domain.amounts import CURRENCIES


def test_the_tax_on_a_sum_is_as_documented() -> None:
    for base, currency, percent, tax in rows_below("rating", "base", "currency", "percent", "tax"):
        decision = TaxDecision(TaxTreatment.STANDARD, "VAT", Decimal(percent))
        assert decision.amount_minor(int(base), currency) == int(tax)


@given(st.integers(0, 10**12), st.decimals(0, 100, places=4), CURRENCIES)
def test_tax_is_never_more_than_its_base(base: int, percent: Decimal, currency: str) -> None:
    assert 0 <= TaxDecision(TaxTreatment.STANDARD, "VAT", percent).amount_minor(base, currency) <= base
