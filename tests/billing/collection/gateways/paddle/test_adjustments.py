"""Refunds and disputes at Paddle: told by adjustments, in our amounts without tax."""

from typing import Any

import pytest
from django.core.cache import cache

from billing.collection.domain.provider import DisputePhase, RefundOrder, RefundState
from billing.collection.errors import PaymentProviderError, PaymentRefusedError, ProviderObjectError
from billing.collection.gateways.paddle.adjustments import read_disputes, read_refunds, reason_of
from billing.collection.gateways.paddle.provider import PROVIDER
from billing.models import Invoice, Payment, PaymentDispute, PaymentRefund
from config.workbench.fakepaddle.server import FakePaddle
from tests.billing.collection.paddle_world import charges, deliver_and_process, subscribed


def adjustment(action: str = "refund", status: str = "approved", reason: str = "error") -> dict[str, Any]:
    return {
        "id": f"adj_{action}",
        "action": action,
        "type": "partial",
        "reason": reason,
        "status": status,
        "totals": {"subtotal": "92", "tax": "8", "total": "100", "fee": "5", "earnings": "87", "currency_code": "USD"},
        "currency_code": "USD",
        "created_at": "2026-04-15T08:48:20.239695Z",
        "transaction_id": "txn_1",
        "tax_rates_used": None,
    }


@pytest.mark.parametrize(
    ("status", "state", "error"),
    [
        ("pending_approval", RefundState.PENDING, ""),
        ("approved", RefundState.SUCCEEDED, ""),
        ("rejected", RefundState.FAILED, "Paddle rejected the refund."),
        ("reversed", RefundState.FAILED, "Paddle reversed the refund."),
    ],
)
def test_a_refund_is_read_without_tax(status: str, state: RefundState, error: str) -> None:
    order = RefundOrder("17", "txn_1", 92, "USD", "Not as agreed.")
    [refund] = read_refunds([adjustment(status=status, reason=reason_of(order)), adjustment("credit")])
    assert (refund.amount_minor, refund.state, refund.error) == (92, state, error)
    assert (refund.key, refund.reason) == ("17", "Not as agreed.")
    assert read_refunds([adjustment(reason="[countinghouse:17] by hand")])[0].key == ""
    with pytest.raises(ProviderObjectError, match="'resting'"):
        read_refunds([adjustment(status="resting")])


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        ([], None),
        (["chargeback_warning"], DisputePhase.INQUIRY),
        (["chargeback_warning", "chargeback_warning_reverse"], DisputePhase.WON),
        (["chargeback_warning", "chargeback"], DisputePhase.OPEN),
        (["chargeback", "chargeback_reverse"], DisputePhase.WON),
        (["chargeback", "chargeback_reverse", "chargeback"], DisputePhase.OPEN),
    ],
)
def test_the_steps_of_a_dispute_are_one_dispute(steps: list[str], phase: DisputePhase | None) -> None:
    found = read_disputes([adjustment(step) for step in steps])
    assert [one.phase for one in found] == ([] if phase is None else [phase])
    assert [(one.reference, one.amount_minor) for one in found] == [("txn_1#dispute", 92)][: len(found)]


@pytest.fixture
def paid(fake_paddle: FakePaddle, db: None) -> str:
    """Return the transaction by which a statement over 49.00 was paid, with 9.80 tax of Paddle's."""
    subscribed(fake_paddle)
    deliver_and_process(fake_paddle)
    cache.clear()
    return str(charges(fake_paddle)[0]["id"])


def order(paid: str, amount_minor: int, key: str = "17") -> RefundOrder:
    return RefundOrder(key, paid, amount_minor, "EUR", "Not as agreed.")


@pytest.mark.parametrize(("amount_minor", "kind", "total"), [(4900, "full", "5880"), (1000, "partial", "1200")])
def test_a_refund_is_made_once_for_each_order(
    fake_paddle: FakePaddle, paid: str, amount_minor: int, kind: str, total: str
) -> None:
    first = PROVIDER.refund(order(paid, amount_minor))
    again = PROVIDER.refund(order(paid, amount_minor))
    assert first == again
    assert (first.amount_minor, first.state) == (amount_minor, RefundState.PENDING)
    [made] = fake_paddle.store.all("adjustment")
    assert (made["type"], made["totals"]["total"]) == (kind, total)


def test_a_refund_whose_answer_was_lost_is_found_and_two_workers_do_not_both_ask(
    fake_paddle: FakePaddle, paid: str
) -> None:
    fake_paddle.api.fail("/adjustments", method="POST", status=500)
    with pytest.raises(PaymentProviderError):
        PROVIDER.refund(order(paid, 1000))
    with pytest.raises(PaymentProviderError, match="Another worker"):
        PROVIDER.refund(order(paid, 1000))
    cache.clear()  # the claim is over
    fake_paddle.api.fail("/adjustments", method="POST", status=0, is_after=True)
    with pytest.raises(PaymentProviderError):
        PROVIDER.refund(order(paid, 1000))
    assert PROVIDER.refund(order(paid, 1000)).amount_minor == 1000
    assert len(fake_paddle.store.all("adjustment")) == 1
    fake_paddle.act("approve", fake_paddle.store.all("adjustment")[0]["id"])
    with pytest.raises(PaymentRefusedError, match="above remaining"):
        PROVIDER.refund(order(paid, 4800, key="18"))


def test_a_refund_made_at_paddle_is_recorded_and_its_statement_is_owed_again(
    fake_paddle: FakePaddle, paid: str
) -> None:
    fake_paddle.act("refund", paid)
    fake_paddle.act("approve", fake_paddle.store.all("adjustment")[0]["id"])
    run = deliver_and_process(fake_paddle)
    assert run.failed == []
    assert [refund.amount_minor for refund in PaymentRefund.objects.all()] == [4900]
    assert Payment.objects.get().refunded_minor == 4900
    assert Invoice.objects.get().status == "finalized"
    assert len(charges(fake_paddle)) == 1, "who was given money back is not charged again"


def test_a_chargeback_and_its_reversal_are_one_dispute(fake_paddle: FakePaddle, paid: str) -> None:
    fake_paddle.act("chargeback", paid)
    deliver_and_process(fake_paddle)
    assert PaymentDispute.objects.get().state == "open"
    fake_paddle.act("chargeback_reverse", paid)
    run = deliver_and_process(fake_paddle)
    assert run.failed == []
    assert PaymentDispute.objects.get().state == "won"
