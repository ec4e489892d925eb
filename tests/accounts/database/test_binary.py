"""Arrays in PostgreSQL's binary form arrive as what was sent."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from accounts.database.binary import (
    Parameter,
    of_blobs,
    of_days,
    of_decimals,
    of_instants,
    of_ints,
    of_jsons,
    of_texts,
    of_uuids,
)
from accounts.sql import fetch_all, sendable

KEY = UUID("01956f00-0000-7000-8000-0000000000cc")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "made", "items"),
    [
        ("bytea", of_blobs, [b"\x00\xff", b"", None]),
        ("text", of_texts, ["", "naïve \U0001f600", '"{,}\\', None]),
        ("jsonb", lambda items: of_jsons([b'{"a": 1.50}' for _ in items]), ['{"a": 1.50}']),
        ("bigint", of_ints, [-(2**63), 0, 2**63 - 1, None]),
        ("date", of_days, [date(1999, 12, 31), None]),
        (
            "timestamptz",
            of_instants,
            [datetime(2026, 2, 28, 23, 59, 59, 999999, UTC), datetime(1999, 1, 1, tzinfo=UTC)],
        ),
        ("uuid", of_uuids, [KEY]),
        ("numeric", of_decimals, [Decimal("1E+20"), Decimal("0.000000001"), Decimal(-1)]),
    ],
)
def test_an_array_arrives_as_it_was_sent(kind: str, made: Callable[[list[Any]], Parameter], items: list[Any]) -> None:
    for some in (items, []):
        statement = f"SELECT {'item::text' if kind == 'jsonb' else 'item'} FROM unnest(%(items)s::{kind}[]) AS item"
        assert [item for (item,) in fetch_all(statement, {"items": sendable(made(some))})] == some
