"""Proration by the day: the worked examples of docs/algorithms/rating.md, and the bounds of every share."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.money import currency_digits, round_to_minor
from billing.domain.proration import ShareOfPeriod, remaining_share
from tests.algorithm_pages import rows_below
from tests.billing.domain.amounts import CURRENCIES

DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))
LENGTHS = st.integers(1, 62)
FEES = st.decimals(0, 10**9, places=4)


def test_proration_is_as_documented() -> None:
    columns = ("fee", "currency", "period", "changed on", "days", "minor units")
    for fee, currency, period, changed_on, days, minor in rows_below("rating", *columns):
        starts_on, ends_on = (date.fromisoformat(day) for day in period.split(" to "))
        share = remaining_share(
            period_starts_on=starts_on, period_ends_on=ends_on, changed_on=date.fromisoformat(changed_on)
        )
        assert f"{share.days} of {share.days_in_period}" == days
        assert share.of(Decimal(fee), currency) == int(minor)


@given(starts_on=DAYS, length=LENGTHS, passed=st.integers(-70, 130), fee=FEES, currency=CURRENCIES)
def test_a_share_is_between_nothing_and_the_whole(
    starts_on: date, length: int, passed: int, fee: Decimal, currency: str
) -> None:
    share = remaining_share(
        period_starts_on=starts_on,
        period_ends_on=starts_on + timedelta(length),
        changed_on=starts_on + timedelta(passed),
    )
    assert 0 <= share.days <= share.days_in_period == length
    assert 0 <= share.of(fee, currency) <= round_to_minor(fee, currency)
    if passed <= 0:
        assert share.of(fee, currency) == round_to_minor(fee, currency)


@given(starts_on=DAYS, length=LENGTHS, fee=FEES, currency=CURRENCIES)
def test_a_later_change_gives_a_smaller_share(starts_on: date, length: int, fee: Decimal, currency: str) -> None:
    shares = [ShareOfPeriod(length - passed, length).of(fee, currency) for passed in range(length + 1)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0


@given(days=st.integers(0, 31), fee=FEES, currency=CURRENCIES)
def test_a_share_is_the_exact_one_rounded_once(days: int, fee: Decimal, currency: str) -> None:
    exact = Fraction(fee) * days / 31 * 10 ** currency_digits(currency)
    assert abs(ShareOfPeriod(days, 31).of(fee, currency) - exact) <= Fraction(1, 2)


def test_a_period_without_days_has_no_share_to_give() -> None:
    day = date(2026, 3, 1)
    assert remaining_share(period_starts_on=day, period_ends_on=day, changed_on=day) == ShareOfPeriod(0, 1)


def test_a_line_explains_its_share() -> None:
    assert ShareOfPeriod(16, 31).explanation(Decimal("49.00"), "EUR") == {
        "model": "proration",
        "fee": "49",
        "days": 16,
        "days_in_period": 31,
        "rounding": {"mode": "half_up", "digits": 2},
    }
