"""Stripe's signature, against Stripe's own library; what that library lets through and we do not stands here too."""

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
def test_one_body_s_signature_is_no_other_s(signed: bytes, sent: bytes) -> None:
    made = header(signed.decode("latin-1"))
    if signed.decode("latin-1").encode() != sent:
        with pytest.raises(DeliverySignatureError):
            verify_signature(header=made, body=sent, secret=SECRET, as_of=NOW)


@given(st.text(max_size=200))
def test_no_header_makes_it_fail_in_another_way(text: str) -> None:
    with pytest.raises(DeliverySignatureError):
        verify_signature(header=text, body=b"{}", secret=SECRET, as_of=NOW)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_either_way_are_taken_and_a_second_more_is_not(seconds: int) -> None:
    moment = NOW + timedelta(seconds=seconds)
    verify_signature(header=header("{}"), body=b"{}", secret=SECRET, as_of=moment)
    beyond = moment + timedelta(seconds=1 if seconds > 0 else -1)
    with pytest.raises(DeliverySignatureError, match="five minutes"):
        verify_signature(header=header("{}"), body=b"{}", secret=SECRET, as_of=beyond)


def test_stripes_own_library_takes_what_is_ahead_of_its_time() -> None:
    ahead = header("{}", seconds=SECONDS + 10**8)
    assert stripe.WebhookSignature.verify_header("{}", ahead, SECRET, 300)


def test_any_of_several_signatures_is_enough_and_other_schemes_are_passed_over() -> None:
    good = header("{}").split("v1=")[1]
    made = f"t={SECONDS},v0={'b' * 64},v1={'c' * 64},v1={good}"
    verify_signature(header=made, body=b"{}", secret=SECRET, as_of=NOW)


def test_without_a_secret_nothing_is_verified() -> None:
    with pytest.raises(AssertionError):
        verify_signature(header=header("{}", secret="x"), body=b"{}", secret="", as_of=NOW)
