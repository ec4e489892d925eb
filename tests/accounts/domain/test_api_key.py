"""API keys: their format, and that no other text is taken for one."""

import hashlib
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.api_key import KeyKind, digest_of, generate_key, last_four_of, parse_key, prefix_of

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
KINDS = pytest.mark.parametrize(
    ("kind", "prefix"), [(KeyKind.LIVE, "ch_live_"), (KeyKind.TEST, "ch_test_"), (KeyKind.SERVICE, "ch_svc_")]
)


@KINDS
def test_a_key_is_a_prefix_32_characters_and_a_checksum(kind: KeyKind, prefix: str) -> None:
    key = generate_key(kind)
    assert key.startswith(prefix)
    assert kind.prefix == prefix
    assert len(key) == len(prefix) + 38
    assert set(key.removeprefix(prefix)) <= set(BASE62)
    value = 0
    for character in key[-6:]:
        value = value * 62 + BASE62.index(character)
    assert value == zlib.crc32(key[:-6].encode())


@KINDS
def test_a_key_is_read_back_without_its_secret(kind: KeyKind, prefix: str) -> None:
    key = generate_key(kind)
    parsed = parse_key(key)
    assert parsed is not None
    assert parsed.kind is kind
    assert parsed.digest == digest_of(key) == hashlib.sha256(key.encode()).digest()
    assert parsed.prefix == prefix_of(key) == key[:12]
    assert parsed.last_four == last_four_of(key) == key[-4:]
    assert key not in repr(parsed)


def test_a_known_key_stays_valid() -> None:
    assert parse_key("ch_live_000000000000000000000000000000003D6aRZ") is not None


def test_keys_do_not_repeat() -> None:
    assert len({generate_key(KeyKind.LIVE) for _ in range(1000)}) == 1000


@given(position=st.integers(0, 45), replacement=st.sampled_from(BASE62))
def test_one_wrong_character_is_detected(position: int, replacement: str) -> None:
    key = generate_key(KeyKind.LIVE)
    damaged = key[:position] + replacement + key[position + 1 :]
    assert (parse_key(damaged) is None) == (damaged != key)


@given(text=st.text() | st.from_regex(r"ch_(live|test|svc)_[0-9A-Za-z]{38}", fullmatch=True))
def test_random_text_is_no_key(text: str) -> None:
    assert parse_key(text) is None


@pytest.mark.parametrize("change", [" {}", "{} ", "{}\n", "{}\0", "Bearer {}", "\ufeff{}"])
def test_spaces_around_a_key_are_not_ignored(change: str) -> None:
    assert parse_key(change.format(generate_key(KeyKind.TEST))) is None


def test_digits_of_other_scripts_are_no_digits() -> None:
    assert parse_key("ch_live_" + "\u0661" * 38) is None
    assert parse_key("ch_live_" + "x" * 10_000_000) is None
