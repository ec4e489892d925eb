"""On which day a limit is reached, by the rules of docs/algorithms/forecast.md."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.alerts.domain.alerts import CrossingDays
from metering.alerts.domain.crossings import crossing_in_words, predicted_crossing
from metering.domain.forecasting import UsageAhead

TODAY = date(2026, 11, 16)
DAYS = [TODAY + timedelta(days=n) for n in range(15)]


def ahead(a_day: str, error: str | None = "0.2", days: int = 15) -> UsageAhead:
    return UsageAhead(
        (Decimal(a_day),) * days, None if error is None else Decimal(error), is_seasonal=error is not None
    )


def on(day: int) -> date:
    return date(2026, 11, day)


@pytest.mark.parametrize(
    ("used", "limit", "a_day", "error", "days"),
    [
        # 700 of 1,000 and 50 a day: today is the first of six days; of 40 a day the eighth, of 60 the fifth.
        ("700", "1000", "50", "0.2", (21, 20, 23)),
        ("700", "1000", "50", "0", (21, 21, 21)),
        ("700", "1000", "25", "0.2", (27, 25, 30)),
        ("700", "1000", "24", "0.2", None),  # at the low end 988 are used by the end
        ("700", "1000", "50", "1", None),  # the low end adds nothing
        ("700", "1000", "50", None, None),  # too little is known for an interval
        ("700", "1000", "300", "0.2", None),  # today: thresholds tell that
        ("1000", "1000", "50", "0.2", None),  # it is reached already
        ("1000.000000001", "1000", "50", "0.2", None),
    ],
)
def test_a_crossing_is_told_if_the_low_end_reaches_the_limit_too(
    used: str, limit: str, a_day: str, error: str | None, days: tuple[int, int, int] | None
) -> None:
    found = predicted_crossing(Decimal(used), limit=Decimal(limit), ahead=ahead(a_day, error), days=DAYS)
    assert found == (None if days is None else CrossingDays(*(on(day) for day in days)))


@given(
    used=st.integers(0, 2000), a_day=st.integers(0, 300), error=st.decimals(0, 2, places=2), limit=st.integers(1, 2000)
)
def test_the_interval_lies_in_the_period_and_holds_the_day(used: int, a_day: int, error: Decimal, limit: int) -> None:
    found = predicted_crossing(Decimal(used), limit=Decimal(limit), ahead=ahead(str(a_day), str(error)), days=DAYS)
    if found is not None:
        assert DAYS[0] <= found.low <= found.on <= found.high <= DAYS[-1]
        assert used < limit
        assert found.on > DAYS[0]


def test_days_are_in_words() -> None:
    assert crossing_in_words(CrossingDays(on(22), on(20), on(25))) == "on 22 November, between 20 and 25 November"
    assert crossing_in_words(CrossingDays(on(22), on(22), on(22))) == "on 22 November"
    assert (
        crossing_in_words(CrossingDays(on(30), on(29), date(2026, 12, 2)))
        == "on 30 November, between 29 November and 2 December"
    )
