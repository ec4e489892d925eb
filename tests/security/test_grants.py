"""The application's role may change sums and number series as its statements do, and in no other way."""

import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction

from config.operations.database_roles import REMOVABLE_SUMS, SUMS

pytestmark = pytest.mark.django_db


def columns_of(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [table])
        return [name for (name,) in cursor.fetchall()]


def forbidden_statements() -> list[str]:
    """Return each change of a sum that none of our statements makes."""
    changes = [
        f"UPDATE {table} SET {column} = {column}"
        for table, changed in SUMS.items()
        for column in columns_of(table)
        if column not in changed
    ]
    removals = [f"DELETE FROM {table}" for table in SUMS.keys() - set(REMOVABLE_SUMS)]
    return [*changes, *removals, *(f"TRUNCATE {table}" for table in SUMS)]


def refused(statement: str) -> bool:
    try:
        with connection.cursor() as cursor, transaction.atomic():
            cursor.execute(statement)
            transaction.set_rollback(True)
    except ProgrammingError as error:
        return "permission denied" in str(error)
    except DatabaseError:
        return False
    return False


def test_each_change_that_none_of_our_statements_makes_is_refused() -> None:
    forbidden = forbidden_statements()
    assert {"UPDATE usage_hour SET hour = hour", "DELETE FROM billing_numberseries"} <= set(forbidden)
    assert len(forbidden) > 25
    assert [statement for statement in forbidden if not refused(statement)] == []


@pytest.mark.as_owner
def test_control_the_owner_may_make_each_of_these_changes() -> None:
    # The control: nothing but the rights refuses them.
    assert [statement for statement in forbidden_statements() if refused(statement)] == []


@pytest.mark.parametrize("table", SUMS)
def test_columns_that_our_statements_change_may_be_changed(table: str) -> None:
    for column in SUMS[table]:
        assert not refused(f"UPDATE {table} SET {column} = {column}")
