"""Quota periods in SQL are those of the domain."""

from datetime import date, timedelta

import pytest

from accounts.sql import as_json, fetch_all
from metering.domain.periods import Period, days_of
from metering.selectors.period_sql import end_day, first_day

DAYS = [date(2023, 12, 25) + timedelta(days=number) for number in range(0, 800, 3)]
ANCHORS = [None, date(2024, 1, 31), date(2024, 2, 29), date(2025, 6, 15), date(2022, 12, 1)]


@pytest.mark.django_db
def test_the_first_day_and_the_end_are_those_of_the_domain() -> None:
    cases = [(period, day, anchor) for period in Period for day in DAYS for anchor in ANCHORS]
    rows = [{"n": n, "period": period, "day": day, "anchor": anchor} for n, (period, day, anchor) in enumerate(cases)]
    found = fetch_all(
        f"""SELECT first, {end_day("period", "first", "anchor")} FROM (
            SELECT n, period, anchor, {first_day("period", "day", "anchor")} AS first
            FROM jsonb_to_recordset(%(rows)s::jsonb) AS c(n int, period text, day date, anchor date)) AS f
            ORDER BY n""",
        {"rows": as_json(rows)},
    )
    assert found == [days_of(*case) for case in cases]
