"""The values of a JSON document are counted in its bytes, whatever its texts contain."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.json_bounds import holds_more_values

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a,[{"\\]}:\n')),
    lambda inner: st.lists(inner, min_size=1) | st.dictionaries(st.text(st.sampled_from(',[{"\\')), inner, min_size=1),
    max_leaves=20,
)


def values_in(value: object) -> int:
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return 1 + sum(values_in(item) for item in inner)


@given(VALUES)
def test_the_count_of_json_values_is_exact(value: object) -> None:
    text, number = json.dumps(value).encode(), values_in(value)

    assert not holds_more_values(text, number)
    assert holds_more_values(text, number - 1)


@pytest.mark.parametrize("text", [b"", b'"', b"[" * 5, b'"\\', b'{"a', b"\xff,"])
def test_values_of_invalid_json_are_counted_too(text: bytes) -> None:
    assert not holds_more_values(text, 10)


def test_many_texts_are_many_values() -> None:
    assert holds_more_values(b'"",' * 100, 10)
