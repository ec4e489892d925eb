"""Stripe's refunds and disputes as values."""

import contextlib
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.collection.errors import ProviderObjectError
from billing.collection.gateways.stripe.refunds import read_dispute, read_refund

START: Final = 1_790_000_000
REFUND: Final[dict[str, Any]] = {
    "id": "re_1",
    "object": "refund",
    "amount": 1000,
    "currency": "eur",
    "created": START,
    "status": "succeeded",
    "reason": "duplicate",
    "failure_reason": None,
    "metadata": {"countinghouse_refund": "7"},
}
DISPUTE: Final[dict[str, Any]] = {
    "id": "du_1",
    "object": "dispute",
    "amount": 1000,
    "currency": "jpy",
    "created": START,
    "status": "needs_response",
    "reason": "fraudulent",
    "evidence_details": {"due_by": START + 60},
}


def test_a_refund_is_read_with_the_key_of_our_order() -> None:
    refund = read_refund(REFUND)

    assert (refund.reference, refund.amount_minor, refund.currency, refund.state) == ("re_1", 1000, "EUR", "succeeded")
    assert (refund.key, refund.reason, refund.error) == ("7", "duplicate", "")
    assert refund.occurred_at == datetime.fromtimestamp(START, UTC)


@pytest.mark.parametrize(
    ("status", "state", "error"),
    [
        ("pending", "pending", ""),
        ("requires_action", "pending", ""),
        ("canceled", "failed", "Stripe reports: canceled."),
        ("failed", "failed", "Stripe reports: lost or stolen card."),
    ],
)
def test_every_status_of_a_refund_means_something(status: str, state: str, error: str) -> None:
    reason = "lost_or_stolen_card" if status == "failed" else None
    refund = read_refund(REFUND | {"status": status, "failure_reason": reason})
    assert (refund.state, refund.error) == (state, error)


@pytest.mark.parametrize(
    ("status", "phase", "has_time"),
    [
        ("warning_needs_response", "inquiry", True),
        ("warning_under_review", "inquiry", False),
        ("warning_closed", "won", False),
        ("needs_response", "open", True),
        ("under_review", "open", False),
        ("prevented", "won", False),
        ("won", "won", False),
        ("lost", "lost", False),
    ],
)
def test_every_status_of_a_dispute_means_something(status: str, phase: str, *, has_time: bool) -> None:
    dispute = read_dispute(DISPUTE | {"status": status})
    assert (dispute.phase, dispute.answer_by is not None) == (phase, has_time)
    assert (dispute.reference, dispute.amount_minor, dispute.currency) == ("du_1", 1000, "JPY")


def test_an_unknown_status_needs_a_person() -> None:
    with pytest.raises(ProviderObjectError, match="on_holiday"):
        read_refund(REFUND | {"status": "on_holiday"})
    with pytest.raises(ProviderObjectError, match="on_holiday"):
        read_dispute(DISPUTE | {"status": "on_holiday"})


JSON = st.none() | st.booleans() | st.integers() | st.text() | st.dictionaries(st.text(max_size=6), st.text())


@given(st.dictionaries(st.sampled_from([*REFUND, *DISPUTE]), JSON))
def test_any_json_is_read_or_refused(replaced: dict[str, Any]) -> None:
    for read, described in ((read_refund, REFUND), (read_dispute, DISPUTE)):
        with contextlib.suppress(ProviderObjectError):
            read(described | replaced)
