"""The rules that let one schema run on plain PostgreSQL and on Citus, read from the catalog itself."""

from typing import Any

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db
LEDGER = ("event", "event_identity", "event_void", "usage_hour", "usage_day", "limit_counter", "limit_bucket")


def query(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(LEDGER)])
        return list(cursor.fetchall())


def test_the_tenant_comes_first_in_every_key() -> None:
    keys = query(
        "SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] WHERE i.indisunique AND c.relname = "
        "ANY(%s)"
    )
    assert {table for table, _ in keys} == set(LEDGER)
    assert {column for _, column in keys} == {"tenant_id"}


def test_no_foreign_key_touches_the_ledger() -> None:
    assert not query(
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND (conrelid::regclass::text = ANY(%s)"
        " OR confrelid::regclass::text IN ('event', 'event_identity', 'event_void', 'usage_hour', 'usage_day'))"
    )


def test_the_ledger_has_no_triggers() -> None:
    assert not query("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY(%s)")


def test_there_is_no_default_partition() -> None:
    # A time without a partition is refused, not misplaced.
    assert query("SELECT partdefid FROM pg_partitioned_table WHERE partrelid::regclass::text = ANY(%s)") == [(0,)]


@pytest.mark.parametrize(
    ("table", "constraint", "values"),
    [
        (
            "event",
            "event_key_has_16_bytes",
            "gen_random_uuid(), true, '2026-03-10', '\\x00', 'a', '', 't', 1, NULL, NULL, '{}', now()",
        ),
        (
            "event",
            "event_quantity_in_range",
            "gen_random_uuid(), true, '2026-03-10', {k}, 'a', '', 't', -1, NULL, NULL, '{}', now()",
        ),
        (
            "event",
            "event_quantity_in_range",
            "gen_random_uuid(), true, '2026-03-10', {k}, 'a', '', 't', 'NaN', NULL, NULL, '{}', now()",
        ),
        ("event_identity", "event_identity_key_has_16_bytes", "gen_random_uuid(), true, '\\x00', now(), {h}"),
        (
            "event_void",
            "event_void_replaced_by_whole",
            "gen_random_uuid(), true, {k}, now(), 'x', 'x', now(), 'b', NULL",
        ),
        (
            "event_void",
            "event_void_replaced_by_key_has_16_bytes",
            "gen_random_uuid(), true, {k}, now(), 'x', 'x', now(), 'b', '\\x00'",
        ),
        ("event_month", "event_month_step_known", "1, '2026-03-01', 'gone', now(), 0, 0"),
        ("event_month", "event_month_is_first_day", "1, '2026-03-02', 'closed', now(), 0, 0"),
        ("event_identity", "event_identity_hash_has_32_bytes", "gen_random_uuid(), true, {k}, now(), '\\x00'"),
    ],
)
def test_the_ledger_refuses_malformed_rows(table: str, constraint: str, values: str) -> None:
    k, h = "decode(repeat('00', 16), 'hex')", "decode(repeat('00', 32), 'hex')"
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_ensure_event_partition('2026-03-01')")
        with pytest.raises(Exception, match=constraint):
            cursor.execute(f"INSERT INTO {table} VALUES ({values.replace('{k}', k).replace('{h}', h)})")


@pytest.mark.parametrize(
    ("table", "constraint"),
    [
        ("event_identity", "event_identity_once"),
        ("event_void", "event_void_once"),
        ("usage_hour", "usage_hour_once"),
        ("usage_day", "usage_day_once"),
        ("limit_counter", "limit_counter_once"),
        ("limit_bucket", "limit_bucket_once"),
        ("event", "event_once"),
        ("event_month", "event_month_once"),
        ("sealed_ledger", "sealed_ledger_once"),
        ("sealed_rollup", "sealed_rollup_once"),
        ("sealed_usage", "sealed_usage_once"),
    ],
)
def test_each_table_has_its_named_key(table: str, constraint: str) -> None:
    assert (constraint,) in query(
        f"SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass AND %s IS NOT NULL"
    )


def test_an_event_replaces_one_other() -> None:
    tenant, values = (
        "'00000000-0000-0000-0000-00000000000a'",
        "now(), 'x', 'x', now(), 'b', decode(repeat('00', 16), 'hex')",
    )
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO event_void VALUES ({tenant}, true, '\\x01', {values})")
        with pytest.raises(Exception, match="event_void_replaces_once"):
            cursor.execute(f"INSERT INTO event_void VALUES ({tenant}, true, '\\x02', {values})")


@pytest.mark.parametrize("month", ["1999-12-01", "2100-02-01"])
def test_partitions_are_created_within_bounds(month: str) -> None:
    with connection.cursor() as cursor, pytest.raises(Exception, match="outside of 2000 to 2100"):
        cursor.execute("SELECT ledger_ensure_event_partition(%s)", [month])
