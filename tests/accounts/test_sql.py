"""How statements are sent to PostgreSQL."""

from decimal import Decimal

import pytest
from django.db import DataError, transaction

from accounts.sql import as_json, fetch_all

pytestmark = pytest.mark.django_db


def test_parameters_go_apart_from_the_statement_and_may_be_named_twice() -> None:
    statement = "SELECT %(name)s::text, %(number)s::int, %(name)s::text || '%%'"
    assert fetch_all(statement, {"number": 7, "name": "'; DROP"}) == [("'; DROP", 7, "'; DROP%")]


def test_a_statement_without_rows_returns_none() -> None:
    assert fetch_all("SET LOCAL statement_timeout = 0") == []


def test_errors_are_those_of_django() -> None:
    with pytest.raises(DataError), transaction.atomic():
        fetch_all("SELECT 1 / %(nothing)s::int", {"nothing": 0})


def test_a_decimal_keeps_all_its_digits_on_the_way() -> None:
    quantity = Decimal("12345678901234567890.123456789")
    rows = fetch_all(
        "SELECT quantity FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(quantity numeric)",
        {"rows": as_json([{"quantity": quantity}])},
    )
    assert rows == [(quantity,)]
