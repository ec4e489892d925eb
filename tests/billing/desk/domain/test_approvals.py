"""When an amount needs a second member of staff, and that a decision is the last."""

from decimal import Decimal

import pytest

from billing.desk.domain.approvals import APPROVAL_TRANSITIONS, ApprovalStatus, needs_second_person


@pytest.mark.parametrize(
    ("own", "limit", "needs"),
    [
        ("100", None, False),
        (None, None, False),
        ("100", "100", False),
        ("100.01", "100", True),
        ("0.01", "0", True),
        (None, "100", True),
    ],
)
def test_an_amount_above_the_limit_needs_a_colleague(own: str | None, limit: str | None, *, needs: bool) -> None:
    amount, bound = (None if text is None else Decimal(text) for text in (own, limit))
    assert needs_second_person(amount, bound) is needs


def test_a_decision_is_the_last() -> None:
    assert set(APPROVAL_TRANSITIONS) == set(ApprovalStatus)
    assert [status for status, after in APPROVAL_TRANSITIONS.items() if after] == [ApprovalStatus.OPEN]
