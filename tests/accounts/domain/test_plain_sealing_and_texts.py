"""Forms of values in JSON, sealed responses, and lines of text."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.invitation_token import make_token, token_digest
from accounts.domain.plain import canonical_json, plain_decimal, plain_instant, to_plain
from accounts.domain.roles import Role
from accounts.domain.sealing import seal, unseal
from accounts.domain.texts import line_problem
from accounts.domain.transitions import TenantStatus, statuses_before


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_a_decimal_is_written_plainly_and_exactly(number: Decimal) -> None:
    text = plain_decimal(number)
    assert Decimal(text) == number
    assert "E" not in text.upper()
    assert not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("number", "text"), [("1E+3", "1000"), ("-0", "0"), ("-0.00", "0"), ("0.500", "0.5"), ("100", "100")]
)
def test_a_decimal_has_one_spelling(number: str, text: str) -> None:
    assert plain_decimal(Decimal(number)) == text


def test_an_instant_is_written_in_utc() -> None:
    assert plain_instant(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == "2026-01-01T00:00:00Z"


def test_values_take_the_form_that_json_knows() -> None:
    value = {
        Role.OWNER: [True, 1, None, "x", Role.ADMIN],
        1: (Decimal("1.50"), date(2026, 1, 2), UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC)),
    }
    assert to_plain(value) == {
        "owner": [True, 1, None, "x", "admin"],
        "1": ["1.5", "2026-01-02", "00000000-0000-0000-0000-000000000001", "2026-01-01T00:00:00Z"],
    }


@pytest.mark.parametrize("value", [1.5, object(), {1, 2}, b"x"])
def test_a_value_without_a_json_form_is_a_mistake(value: object) -> None:
    with pytest.raises(TypeError):
        to_plain({"a": [value]})


ASCII = st.text(alphabet=[chr(code) for code in range(128)])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | ASCII,
    lambda items: st.lists(items) | st.dictionaries(st.text() | ASCII, items),
)


@given(JSON)
def test_the_canonical_text_is_that_of_pythons_encoder(value: object) -> None:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert canonical_json(value) == text.encode()


@given(st.binary(max_size=200))
def test_a_sealed_response_opens_with_its_key_alone(answer: bytes) -> None:
    sealed = seal(answer, "ch_live_one")
    assert unseal(sealed, "ch_live_one") == answer
    assert seal(answer, "ch_live_one") != sealed
    with pytest.raises(InvalidTag):
        unseal(sealed, "ch_live_two")
    with pytest.raises(InvalidTag):
        unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), "ch_live_one")


def test_a_token_has_256_bits_and_a_digest() -> None:
    tokens = {make_token() for _ in range(50)}
    assert len(tokens) == 50
    assert {len(token) for token in tokens} == {43}
    assert {len(token_digest(token)) for token in tokens} == {32}


@pytest.mark.parametrize("text", ["Acme", "Café Zürich & Co.", "東京", "مزرعة", "👩‍🌾 farm", ""])
def test_names_of_all_scripts_are_lines(text: str) -> None:
    assert line_problem(text, pointer="/name", characters_max=20) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "blank"),
        ("x" * 21, "too_long"),
        ("a\nb", "invalid_characters"),
        ("a\u2028b", "invalid_characters"),
        ("a\u202eb", "invalid_characters"),
        ("\x00", "invalid_characters"),
        ("\ud800", "invalid_characters"),
    ],
)
def test_invisible_text_is_refused(text: str, code: str) -> None:
    problem = line_problem(text, pointer="/name", characters_max=20, is_required=True)
    assert problem is not None
    assert (problem.pointer, problem.code) == ("/name", code)


def test_the_slug_of_a_closed_tenant_leads_to_no_other() -> None:
    assert statuses_before(TenantStatus.ACTIVE) == {TenantStatus.SUSPENDED}
    assert statuses_before(TenantStatus.CLOSED) == {TenantStatus.ACTIVE, TenantStatus.SUSPENDED}
