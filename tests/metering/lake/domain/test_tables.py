"""Which tables a query names."""

import pytest

from metering.lake.domain.tables import tables_named
from metering.lake.selectors.ledger_tables import EVENTS, USAGE_DAY, USAGE_HOUR


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("SELECT 1", []),
        ('select * from EVENTS e join "usage_day" using (day)', ["events", "usage_day"]),
        ("SELECT my_events, usage_hours FROM usage_hour", ["usage_hour"]),
    ],
)
def test_a_table_is_read_only_if_it_is_named(query: str, names: list[str]) -> None:
    assert [table.name for table in tables_named(query, (EVENTS, USAGE_HOUR, USAGE_DAY))] == names
