"""Reads of a provider's JSON: what has another type reads as missing, and everything can be stored."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.collection.domain.json_values import inner, items, storable, text, uuid_or_none, whole_or_none

values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=10), some, max_size=3),
    max_leaves=8,
)


@given(values)
def test_a_value_of_another_type_reads_as_missing(value: Any) -> None:
    node = {"name": value}
    assert text(node, "name") == (value if isinstance(value, str) else "")
    assert inner(node, "name") == (value if isinstance(value, dict) else {})
    found = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    assert items(node, "name") == found
    assert (text({}, "name"), inner({}, "name"), items({}, "name")) == ("", {}, [])


@given(values)
def test_whatever_is_stored_has_no_character_that_postgresql_refuses(value: Any) -> None:
    said = json.dumps(storable({"\0": value, "half": "\ud800"}), ensure_ascii=False)
    assert "\\u0000" not in said
    said.encode()


@pytest.mark.parametrize(("value", "number"), [("7", 7), ("", None), ("-1", None), ("٣", None), ("9" * 19, None)])
def test_a_number_of_ours_is_read_exactly_or_not_at_all(value: str, number: int | None) -> None:
    assert whole_or_none(value) == number
    assert uuid_or_none(value) is None
    assert uuid_or_none("0190a0b0-0000-7000-8000-00000000f00d") == UUID("0190a0b0-0000-7000-8000-00000000f00d")
