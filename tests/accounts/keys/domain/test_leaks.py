"""Reports of a secret scanner: their form, their signature, and what of them is kept."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from accounts.domain.api_key import KeyKind, generate_key
from accounts.errors import InvalidFieldsError, MalformedBodyError
from accounts.keys.domain.leaks import (
    TOKENS_MAX,
    is_signed,
    parse_report,
    pinned_keys,
    published_keys,
    read_public_key,
)
from tests.accounts.keys.scanner import IDENTIFIER, SCANNER_KEY, encoded_key, found, pem_of, signature_of

BODY = b'[{"token": "some text"}]'


def test_a_signature_holds_for_exactly_its_bytes_and_its_key() -> None:
    key, other = SCANNER_KEY.public_key(), generate_private_key(SCANNER_KEY.curve)
    assert is_signed(BODY, signature=signature_of(BODY), key=key)
    assert not is_signed(BODY + b" ", signature=signature_of(BODY), key=key)
    assert not is_signed(BODY, signature=signature_of(BODY, other), key=key)


@pytest.mark.parametrize("signature", ["", "no base64!", "AAAA", "ü", "A" * 10_000, "MEUCIQ=="])
def test_a_hostile_signature_is_only_wrong(signature: str) -> None:
    assert not is_signed(BODY, signature=signature, key=SCANNER_KEY.public_key())


def test_a_key_is_read_from_its_pem_and_from_its_base64() -> None:
    for encoded in (pem_of(), encoded_key(), pem_of().replace("\n", "\r\n")):
        key = read_public_key(encoded)
        assert key is not None
        assert is_signed(BODY, signature=signature_of(BODY), key=key)


@pytest.mark.parametrize(
    "encoded",
    ["", "nothing", "AAAA", "ü", pem_of(generate_private_key(SECP384R1())), pem_of(Ed25519PrivateKey.generate())],
    ids=["empty", "word", "bytes", "letter", "another curve", "another algorithm"],
)
def test_what_is_no_p256_key_is_no_key(encoded: str) -> None:
    assert read_public_key(encoded) is None
    with pytest.raises(ValueError, match="is not an identifier"):
        pinned_keys([f"{IDENTIFIER}={encoded}"])
    assert published_keys({"public_keys": [{"key_identifier": IDENTIFIER, "key": encoded}]}) == {}


@pytest.mark.parametrize("body", [None, [], {"public_keys": 7}, {"public_keys": [None, {"key": 7}, {}]}])
def test_an_answer_of_another_form_has_no_keys(body: object) -> None:
    assert published_keys(body) == {}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, None),
        ("text", None),
        ([7], "/0/token"),
        ([{"token": "a"}, {}], "/1/token"),
        ([{"token": None}], "/0/token"),
        ([[]], "/0/token"),
    ],
)
def test_a_report_of_another_form_is_refused(body: object, pointer: str | None) -> None:
    with pytest.raises(MalformedBodyError) as refused:
        parse_report(body)
    assert [error.pointer for error in refused.value.field_errors] == ([] if pointer is None else [pointer])


def test_a_report_is_bounded() -> None:
    assert len(parse_report([found("a")] * TOKENS_MAX)) == TOKENS_MAX
    with pytest.raises(InvalidFieldsError):
        parse_report([found("a")] * (TOKENS_MAX + 1))


def test_what_is_kept_of_a_report_is_one_line_without_a_secret() -> None:
    secret = generate_key(KeyKind.LIVE)
    [reported] = parse_report([found(secret, url=f"https://x.example/?key={secret}\n\u202e", source="c" * 500)])
    assert secret not in reported.url
    assert reported.url.startswith("https://x.example/?key=ch_live_")
    assert reported.url.isprintable()
    assert len(reported.source) == 100
    assert secret not in repr(reported)
    [bare] = parse_report([{"token": "a", "url": 7, "source": None}])
    assert (bare.url, bare.source, bare.type) == ("", "", "")


def test_a_label_names_the_token_by_its_hash() -> None:
    [reported] = parse_report([found("a token")])
    assert reported.labelled(is_real=True) == {
        "token_hash": hashlib.sha256(b"a token").hexdigest(),
        "token_type": "countinghouse_api_key",
        "label": "true_positive",
    }
