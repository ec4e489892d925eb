"""Parts of the lake's tables."""

from datetime import date

from metering.lake.domain.parts import compared, parts_of, places_of
from metering.lake.selectors.ledger_tables import EVENTS, USAGE_DAY, USAGE_HOUR


def test_a_month_is_its_days_of_events_and_one_part_of_each_other_table() -> None:
    parts = parts_of(date(2024, 2, 1), (EVENTS, USAGE_HOUR, USAGE_DAY))
    assert [str(part) for part in parts[28:]] == ["events 2024-02-29", "usage_hour 2024-02", "usage_day 2024-02"]
    assert (parts[28].first, parts[28].last) == ("2024-02-29T00:00:00+00:00", "2024-03-01T00:00:00+00:00")
    assert (parts[30].first, parts[30].last) == ("2024-02-01", "2024-03-01")


def test_every_column_is_compared_but_the_slug() -> None:
    assert {column.name for column in EVENTS.in_lake} - {column.name for column in compared(EVENTS)} == {"tenant"}
    assert {places_of(column) for column in EVENTS.columns} == {None, 9}
