import pytest
from django.db import DatabaseError

from accounts.sql import fetch_all
from metering.errors import QueryTooLargeError
from metering.selectors.bounded_reads import fetch_in_time

pytestmark = pytest.mark.django_db


def test_a_read_that_takes_too_long_is_refused_and_the_connection_goes_on() -> None:
    with pytest.raises(QueryTooLargeError, match="takes too long"):
        fetch_in_time("SELECT pg_sleep(30)", {}, milliseconds_max=20)
    assert fetch_all("SELECT 1", {}) == [(1,)]


def test_the_time_limit_applies_to_that_read_alone() -> None:
    assert fetch_in_time("SELECT current_setting('statement_timeout')", {}) == [("15s",)]


def test_other_errors_of_a_bounded_read_are_unchanged() -> None:
    with pytest.raises(DatabaseError, match="division by zero"):
        fetch_in_time("SELECT 1 / 0", {})
