"""Failed charges as attempts to pay, each under its own reference."""

import contextlib
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.collection.errors import ProviderObjectError
from billing.collection.gateways.stripe.attempts import MUST_CONFIRM, read_failure, without_charge

START: Final = 1_790_000_000
CHARGE: Final[dict[str, Any]] = {
    "id": "ch_1",
    "object": "charge",
    "amount": 4900,
    "currency": "eur",
    "created": START,
    "status": "failed",
    "failure_code": "card_declined",
    "failure_message": "Your card was declined.",
    "outcome": {"reason": "generic_decline", "advice_code": None},
}
INVOICE: Final[dict[str, Any]] = {"id": "in_1", "object": "invoice", "currency": "jpy", "amount_due": 4900}


def test_a_failed_charge_is_an_attempt_under_its_id() -> None:
    attempt = read_failure(CHARGE)

    assert (attempt.reference, attempt.amount_minor, attempt.currency) == ("ch_1", 4900, "EUR")
    assert attempt.occurred_at == datetime.fromtimestamp(START, UTC)
    assert (attempt.error, attempt.decline_code) == ("Your card was declined.", "generic_decline")
    assert not attempt.is_final


@pytest.mark.parametrize(
    ("changed", "is_final", "must_confirm"),
    [
        ({"outcome": {"reason": "lost_card"}}, True, False),
        ({"failure_code": "expired_card", "outcome": None}, True, False),
        ({"outcome": {"reason": "insufficient_funds", "advice_code": "do_not_try_again"}}, True, False),
        ({"outcome": {"reason": "insufficient_funds"}}, False, False),
        ({"failure_code": "authentication_required", "outcome": None}, False, True),
    ],
)
def test_a_decline_says_whether_another_attempt_is_of_use(
    changed: dict[str, Any], *, is_final: bool, must_confirm: bool
) -> None:
    attempt = read_failure(CHARGE | changed)

    assert attempt.is_final == is_final
    assert attempt.error == (MUST_CONFIRM if must_confirm else "Your card was declined.")


def test_an_attempt_without_a_charge_says_what_was_lacking() -> None:
    lacking = without_charge(
        INVOICE | {"last_finalization_error": {"message": "No tax id."}}, reference="in_1#1", occurred_at=None
    )
    assert (lacking.amount_minor, lacking.currency, lacking.error) == (4900, "JPY", "No tax id.")
    waiting = {"data": [{"payment": {"payment_intent": {"id": "pi_1", "status": "requires_action"}}}]}
    unconfirmed = without_charge(INVOICE | {"payments": waiting}, reference="in_1#1", occurred_at=None)
    assert unconfirmed.error == MUST_CONFIRM


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=6), inside, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*CHARGE, "payments", "amount_due"]), JSON))
def test_any_json_is_read_or_refused(replaced: dict[str, Any]) -> None:
    with contextlib.suppress(ProviderObjectError):
        read_failure(CHARGE | replaced)
    with contextlib.suppress(ProviderObjectError):
        without_charge(INVOICE | replaced, reference="r", occurred_at=None)
