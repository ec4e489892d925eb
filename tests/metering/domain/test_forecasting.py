"""Forecasts of a month's end: the page's examples, and what must hold whatever came."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from metering.domain.forecasting import Forecast, ForecastMethod, PastDay, PastDays, counted, forecast_usage
from metering.domain.periods import Span
from tests.algorithm_pages import rows_below

START = datetime(2026, 6, 1, tzinfo=UTC)
TODAY = datetime(2026, 6, 8, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def past_of(weeks: int, week: Sequence[Decimal], growth: Decimal, by_now: Decimal) -> PastDays:
    days = [
        PastDay(weekday, grown, grown * by_now)
        for number in range(weeks)
        for weekday, quantity in enumerate(week)
        for grown in [(quantity * (1 + growth / 100) ** number).quantize(Decimal(1))]
    ]
    return PastDays(tuple(days), None if not days else TODAY - len(days) * DAY)


def told(past: PastDays, quantity: Decimal = Decimal(1000), days_ahead: int = 23) -> Forecast:
    end = TODAY.replace(hour=0) + days_ahead * DAY
    return forecast_usage(
        quantity,
        span=Span(START, end),
        as_of=TODAY,
        past=past,
        weekdays_ahead=[number % 7 for number in range(days_ahead)],
    )


def text(number: Decimal | None) -> str:
    return "null" if number is None else f"{number:f}"


def test_forecasts_by_days_are_as_documented() -> None:
    columns = ("weeks", "a week", "growth", "by now", "counted", "days ahead", "forecast", "low", "high", "method")
    for weeks, week, growth, by_now, quantity, ahead, *expected in rows_below("forecast", *columns):
        days = [Decimal(one) for one in week.split()]
        past = past_of(int(weeks), days, Decimal(growth.rstrip(" %")), Decimal(by_now))
        found = told(past, Decimal(quantity), int(ahead))
        assert [text(found.quantity), text(found.low), text(found.high), found.method] == expected, week


def test_straight_lines_are_as_documented() -> None:
    columns = ("counted", "month begins", "month ends", "now", "usage began", "forecast")
    for quantity, start, end, now, began, expected in rows_below("forecast", *columns):
        at = [datetime.fromisoformat(one) for one in (start, end, now, began)]
        past = PastDays((), at[3])
        found = forecast_usage(Decimal(quantity), span=Span(at[0], at[1]), as_of=at[2], past=past, weekdays_ahead=[0])
        assert (text(found.quantity), found.method) == (expected, ForecastMethod.RUN_RATE)
        assert (found.low, found.high) == (None, None)


days = st.lists(
    st.decimals(0, 10**20, places=2) | st.sampled_from([Decimal(0), Decimal(100), Decimal(10) ** 29]), max_size=56
)


@given(quantities=days, shares=st.lists(st.decimals(0, 1, places=3), min_size=56, max_size=56), first=st.integers(0, 6))
def test_a_forecast_is_within_its_interval_and_not_below_what_is_counted(
    quantities: list[Decimal], shares: list[Decimal], first: int
) -> None:
    whole = [
        PastDay((first + number) % 7, quantity, quantity * share)
        for number, (quantity, share) in enumerate(zip(quantities, shares, strict=False))
    ]
    found = told(PastDays(tuple(whole), START))
    assert found.quantity >= 1000
    assert (found.low is None) == (found.high is None) == (len(whole) < 33 or found.low is None)
    if found.low is not None and found.high is not None:
        assert 1000 <= found.low <= found.quantity <= found.high


def test_a_single_day_of_ten_times_the_usage_hardly_changes_a_month() -> None:
    week = [Decimal(100)] * 5 + [Decimal(20)] * 2
    steady = past_of(8, week, Decimal(0), Decimal("0.5"))
    spike = list(steady.days)
    spike[40] = PastDay(spike[40].weekday, Decimal(1000), Decimal(500))
    forecasts = [told(past).quantity for past in (steady, PastDays(tuple(spike), steady.began_at))]
    assert abs(forecasts[1] - forecasts[0]) < forecasts[0] / 50


def test_days_without_usage_are_expected_to_come_again() -> None:
    nothing = PastDays(tuple(PastDay(n % 7, Decimal(0), Decimal(0)) for n in range(56)), START)
    assert told(nothing).quantity == 1000
    seldom = [PastDay(n % 7, Decimal(560 if n == 40 else 0), Decimal(0)) for n in range(56)]
    assert told(PastDays(tuple(seldom), START), days_ahead=8).quantity == 1000 + 8 * 20


def test_a_month_that_is_over_or_has_not_begun_is_what_is_counted() -> None:
    past = past_of(8, [Decimal(100)] * 7, Decimal(0), Decimal("0.5"))
    for as_of in (START, START - DAY, START + 30 * DAY):
        found = forecast_usage(
            Decimal("7.5"), span=Span(START, START + 30 * DAY), as_of=as_of, past=past, weekdays_ahead=[0]
        )
        assert found == counted(Decimal("7.5")) == Forecast(
            Decimal("7.5"), Decimal("7.5"), Decimal("7.5"), ForecastMethod.COUNTED
        )  # fmt: skip
