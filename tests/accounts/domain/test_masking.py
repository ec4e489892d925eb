"""Each kind of secret is masked and found. Text that only looks like a secret raises no alarm."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.api_key import KeyKind, generate_key
from accounts.domain.masking import find_secrets, mask_secrets

TOKEN = "Zx3_kQ9-mPq7Lw2nBv8Rt5YcDf1Gh6Jk4sAaEuIoXyw"
SECRETS = {
    "API key": generate_key(KeyKind.LIVE),
    "Stripe key": "sk_live_51HwQ9aBcDeFgHiJkLmNoPqR",
    "Paddle secret": "pdl_ntfset_01gkpjp8bkm3tm53kdgkx6sms7_6h3qd3uFSi9YCD3OLYAShQI90XTI5vEI",
    "webhook secret": "whsec_4fGz8Kq1Vb6Np3Xd",
    "TOTP secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    "invitation": f"/invitations/{TOKEN}",
    "password in an address": "postgres://app:correct-horse@db.internal",
}
PLACES = ("{}", "GET /v1/{}/x 404", '{{"id": "{}"}}', "ValueError: '{}' is no id", "a={}&b=1", "({})\n", "“{}”")
# Of these a text is made: whole secrets, and the parts of which others are.
PARTS = (*SECRETS.values(), TOKEN, "/pay/", "eyJ", ".", "ch_live_", "://", "@", ":", "A" * 31, "B", "é", " ", "x" * 20)
HARMLESS = (
    "ch_live_3fQ9… of Acme",
    "ch_live_" + "0" * 38,
    "the secret whsec_… of the endpoint",
    "pdl_sdbx_apikey_… of the sandbox",
    "sk_test_…",
    "REPORTS",
    "0123456789ABCDEF0123456789ABCDEF",
    "http://localhost:8000/t/acme/",
    "https://example.com:8443/a@b",
    "/invitations/",
)


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_found_and_masked_anywhere_in_a_text(kind: str, place: str) -> None:
    text = place.format(SECRETS[kind])
    assert kind in {found.kind for found in find_secrets(text)}
    masked = mask_secrets(text)
    assert not list(find_secrets(masked)), masked
    assert SECRETS[kind][12:] not in masked
    assert "correct-horse" not in masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize("kind", KeyKind)
def test_the_first_characters_of_a_key_stay_unmasked(kind: KeyKind) -> None:
    secret = generate_key(kind)
    assert mask_secrets(f"key {secret}.") == f"key {secret[:12]}…."


def test_a_mistyped_or_cut_key_is_masked_and_is_no_alarm() -> None:
    secret = generate_key(KeyKind.TEST)
    for almost in (secret[:-1], f"{secret[:-1]}{'a' if secret[-1] != 'a' else 'b'}", f"{secret}x", secret[:30]):
        assert mask_secrets(almost) == f"{secret[:12]}…"
    assert not list(find_secrets(secret[:-1]))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_no_alarm(text: str) -> None:
    assert not list(find_secrets(text))


@pytest.mark.parametrize("piece", ["ch_live_", "a", "whsec_", "http://", "://a:", "A", "sk_live_", "/invitations/"])
def test_a_long_hostile_text_is_masked_in_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    mask_secrets(text)
    assert time.process_time() - began < 2


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join))
def test_a_text_that_is_searched_once_holds_nothing_to_mask(text: str) -> None:
    assert mask_secrets(text + " _") == mask_secrets(text) + " _", "the end makes it searched for each kind"
