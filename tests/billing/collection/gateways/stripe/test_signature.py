"""Stripe's signature, compared with Stripe's own library, and with what that library accepts and we refuse."""

from datetime import UTC, datetime, timedelta

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from billing.collection.errors import DeliverySignatureError
from billing.collection.gateways.stripe.signature import verify_signature

SECRET = "whsec_test"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


def header(body: str, *, seconds: int = SECONDS, secret: str = SECRET) -> str:
    made: str = stripe.WebhookSignature.generate_signature_header(body, secret, seconds)
    return made


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_stripes_library_signs_is_verified(body: str) -> None:
    verify_signature(header=header(body), body=body.encode(), secret=SECRET, as_of=NOW)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_the_signature_of_one_body_is_refused_for_another(signed: bytes, sent: bytes) -> None:
    made = header(signed.decode("latin-1"))
    if signed.decode("latin-1").encode() != sent:
        with pytest.raises(DeliverySignatureError):
            verify_signature(header=made, body=sent, secret=SECRET, as_of=NOW)


@given(st.text(max_size=200))
def test_any_signature_header_is_verified_or_refused(text: str) -> None:
    with pytest.raises(DeliverySignatureError):
        verify_signature(header=text, body=b"{}", secret=SECRET, as_of=NOW)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_either_way_are_taken_and_a_second_more_is_not(seconds: int) -> None:
    moment = NOW + timedelta(seconds=seconds)
    verify_signature(header=header("{}"), body=b"{}", secret=SECRET, as_of=moment)
    beyond = moment + timedelta(seconds=1 if seconds > 0 else -1)
    with pytest.raises(DeliverySignatureError, match="five minutes"):
        verify_signature(header=header("{}"), body=b"{}", secret=SECRET, as_of=beyond)


def test_stripes_own_library_accepts_timestamps_in_the_future() -> None:
    ahead = header("{}", seconds=SECONDS + 10**8)
    assert stripe.WebhookSignature.verify_header("{}", ahead, SECRET, 300)


def test_any_of_several_signatures_is_enough_and_other_schemes_are_ignored() -> None:
    good = header("{}").split("v1=")[1]
    made = f"t={SECONDS},v0={'b' * 64},v1={'c' * 64},v1={good}"
    verify_signature(header=made, body=b"{}", secret=SECRET, as_of=NOW)


def test_without_a_secret_nothing_is_verified() -> None:
    with pytest.raises(AssertionError):
        verify_signature(header=header("{}", secret="x"), body=b"{}", secret="", as_of=NOW)
