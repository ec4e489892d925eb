"""Identity and content of events: the worked examples of docs/algorithms/event_identity.md, and its rules."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metering.domain.access_log import line_identity
from metering.domain.canonical import (
    InexactNumberError,
    canonical_json,
    canonical_number,
    canonical_properties,
    content_hash,
    event_key,
)
from metering.formulas.domain.property_values import decimal_text
from tests.algorithm_pages import rows_below

TEXTS = st.text(st.characters(codec="utf-8"))
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-(10**20), 10**20, places=12)
IN_BOUNDS = st.decimals(-(10**20) + 1, 10**20 - 1, places=9)
VALUES = TEXTS | st.booleans() | st.none() | IN_BOUNDS
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_keys_are_as_documented() -> None:
    for source, identifier, key in rows_below("event_identity", "source", "id", "key"):
        assert event_key(source, identifier).hex() == key


def test_content_hashes_are_as_documented() -> None:
    for form, digest in rows_below("event_identity", "canonical form", "SHA-256"):
        kind, given_at, quantity, subject, properties = msgspec.json.decode(form)
        moment = None if given_at is None else datetime.fromisoformat(given_at)
        exact = {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in properties.items()}
        assert content_hash(kind, moment, Decimal(str(quantity)), subject, exact).hex() == digest
        assert hashlib.sha256(form.encode()).hexdigest() == digest


def test_line_identities_are_as_documented() -> None:
    for line, occurrence, identity in rows_below("event_identity", "line", "n", "id"):
        assert line_identity(line.encode(), int(occurrence)) == identity


@given(one=st.tuples(TEXTS, TEXTS), other=st.tuples(TEXTS, TEXTS))
@example(one=("a", "bc"), other=("ab", "c"))
@example(one=("", "\x00\x00\x00\x01a"), other=("a", ""))
def test_keys_differ_if_source_or_id_do(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (event_key(*one) == event_key(*other)) == (one == other)
    assert len(event_key(*one)) == 16


@given(value=NUMBERS)
def test_a_number_keeps_its_value_or_is_refused(value: Decimal) -> None:
    try:
        canonical = canonical_number(value)
    except InexactNumberError:
        too_fine = value.adjusted() < -30 or (Fraction(value) * 10**30).denominator != 1
        assert not -(10**20) < value < 10**20 or too_fine
        return
    assert canonical == value
    assert -(10**20) < value < 10**20


@given(value=IN_BOUNDS, zeros=st.integers(0, 10))
def test_trailing_zeros_change_nothing(value: Decimal, zeros: int) -> None:
    longer = Decimal(f"{value:f}" + "0" * zeros)
    assert repr(canonical_number(longer)) == repr(canonical_number(value))
    assert content_hash("a", None, longer, None, {"n": longer}) == content_hash("a", None, value, None, {"n": value})


@given(value=IN_BOUNDS)
def test_the_text_of_a_number_has_no_exponent_and_the_same_value(value: Decimal) -> None:
    text = decimal_text(canonical_number(value))
    assert set(text) <= set("-0123456789.")
    assert Decimal(text) == value


@pytest.mark.parametrize(
    "text", ["1e20", "-1e20", "1e400", "1e-31", "NaN", "Infinity", "-Infinity", "sNaN", "1e-99999999"]
)
def test_numbers_out_of_bounds_are_refused(text: str) -> None:
    with pytest.raises(InexactNumberError):
        canonical_number(Decimal(text))


def test_numbers_with_too_many_digits_are_refused_and_never_rounded() -> None:
    with pytest.raises(InexactNumberError):
        canonical_number(Decimal("1." + "0" * 49 + "1"))
    with pytest.raises(InexactNumberError):
        canonical_number(Decimal("10000000000000000000." + "0" * 30 + "1"))
    with pytest.raises(InexactNumberError):
        canonical_number(Decimal("0.1" + "0" * 29 + "1"))
    with pytest.raises(InexactNumberError):
        canonical_number(10**20)
    assert canonical_number(Decimal("1." + "0" * 60)) == 1


@pytest.mark.parametrize("text", ["-0", "-0.0", "0e999", "0E-999"])
def test_zero_is_zero_however_it_is_written(text: str) -> None:
    assert repr(canonical_number(Decimal(text))) == "0"
    assert decimal_text(Decimal("-0.0")) == "0.0"


def test_a_text_a_number_and_a_truth_value_are_never_equal() -> None:
    hashes = {content_hash("a", None, Decimal(1), None, {"n": value}) for value in ("1", 1, True, "true", None)}
    assert len(hashes) == 5


def test_an_absent_subject_is_not_an_empty_one() -> None:
    assert content_hash("a", None, Decimal(1), None, {}) != content_hash("a", None, Decimal(1), "", {})


def test_one_instant_is_one_content_in_every_offset() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))
    hashes = {content_hash("a", moment, Decimal(1), None, {}) for moment in (NOON, elsewhere)}
    assert len(hashes) == 1
    assert content_hash("a", None, Decimal(1), None, {}) not in hashes


@given(properties=st.dictionaries(TEXTS, VALUES, max_size=8), data=st.data())
def test_the_order_of_names_does_not_matter(
    properties: dict[str, str | Decimal | bool | None], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(properties.items()))))
    assert content_hash("a", None, Decimal(1), None, shuffled) == content_hash("a", None, Decimal(1), None, properties)


@given(one=st.dictionaries(TEXTS, VALUES, max_size=3), other=st.dictionaries(TEXTS, VALUES, max_size=3))
def test_other_properties_are_other_content(
    one: dict[str, str | Decimal | bool | None], other: dict[str, str | Decimal | bool | None]
) -> None:
    def typed(properties: dict[str, str | Decimal | bool | None]) -> dict[str, tuple[type, object]]:
        return {name: (type(value), value) for name, value in properties.items()}

    same = content_hash("a", None, Decimal(1), None, one) == content_hash("a", None, Decimal(1), None, other)
    assert same == (typed(one) == typed(other))


@given(properties=st.dictionaries(TEXTS, VALUES, max_size=8))
def test_canonical_json_has_the_value_of_the_properties(properties: dict[str, str | Decimal | bool | None]) -> None:
    text = canonical_json(canonical_properties(properties))
    assert msgspec.json.Decoder(dict, float_hook=Decimal).decode(text) == properties
