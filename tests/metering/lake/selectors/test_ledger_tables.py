"""The tables that SQL knows."""

from metering.lake.selectors.ledger_tables import lake_tables


def test_each_table_is_there_once_and_has_its_columns_once() -> None:
    tables = lake_tables()
    assert [table.name for table in tables] == ["events", "usage_hour", "usage_day", "invoice_lines"]
    for table in tables:
        names = [column.name for column in table.columns]
        assert len(names) == len(set(names))
