"""What went back of a transaction, by its adjustments: refunds, and a dispute with its outcome. Pure.

Amounts are without tax, as our documents are: Paddle gives the tax back, and corrects what it declared. A credit only
lowers what a transaction is over that is not paid yet, so it is none of these.
"""

import re
from collections.abc import Sequence
from typing import Final

from billing.collection.domain.json_values import Json, inner, text
from billing.collection.domain.provider import (
    DisputePhase,
    RefundOrder,
    RefundState,
    ReportedDispute,
    ReportedRefund,
)
from billing.collection.errors import ProviderObjectError
from billing.collection.gateways.paddle.objects import amount, instant, required

_STATE_OF: Final = {
    "pending_approval": RefundState.PENDING,
    "approved": RefundState.SUCCEEDED,
    "rejected": RefundState.FAILED,
    "reversed": RefundState.FAILED,
}
_ERROR_OF: Final = {"rejected": "Paddle rejected the refund.", "reversed": "Paddle reversed the refund."}
# The key of our order, at the end of the reason: Paddle has no other field for it.
_KEY: Final = re.compile(r"\[countinghouse:([0-9A-Za-z-]{1,64})\]$")
_REASON_CHARACTERS_MAX: Final = 400


def reason_of(order: RefundOrder) -> str:
    """Return the reason that an order is sent with, which ends with its key."""
    return f"{order.reason[:_REASON_CHARACTERS_MAX]} [countinghouse:{order.key}]"


def read_refunds(adjustments: Sequence[Json]) -> tuple[ReportedRefund, ...]:
    """Return the refunds among adjustments, in their order."""
    return tuple(_refund(one) for one in adjustments if text(one, "action") == "refund")


def _refund(adjustment: Json) -> ReportedRefund:
    status, reason = required(adjustment, "status"), text(adjustment, "reason")
    if status not in _STATE_OF:
        raise ProviderObjectError(f"A refund at Paddle is {status[:40]!r}, which we do not know.")
    key = _KEY.search(reason)
    return ReportedRefund(
        reference=required(adjustment, "id"),
        amount_minor=amount(inner(adjustment, "totals"), "subtotal"),
        currency=required(adjustment, "currency_code"),
        state=_STATE_OF[status],
        occurred_at=instant(adjustment, "created_at"),
        key="" if key is None else key[1],
        reason=_KEY.sub("", reason).strip(),
        error=_ERROR_OF.get(status, ""),
    )


def read_disputes(adjustments: Sequence[Json]) -> tuple[ReportedDispute, ...]:
    """Return the dispute of a transaction, if there is one: Paddle tells each of its steps as an adjustment.

    A warning is an inquiry; a chargeback took the money, and its reversal gave it back. Paddle does not tell that a
    chargeback is lost for good, so it stays open.
    """
    steps = [one for one in adjustments if text(one, "action").startswith("chargeback")]
    if not steps:
        return ()
    done = [text(one, "action") for one in steps]
    if done.count("chargeback") > done.count("chargeback_reverse"):
        phase = DisputePhase.OPEN
    elif "chargeback" in done or done.count("chargeback_warning") <= done.count("chargeback_warning_reverse"):
        phase = DisputePhase.WON
    else:
        phase = DisputePhase.INQUIRY
    first = steps[0]
    return (
        ReportedDispute(
            reference=f"{required(first, 'transaction_id')}#dispute",
            amount_minor=abs(amount(inner(first, "totals"), "subtotal")),
            currency=required(first, "currency_code"),
            phase=phase,
            reason=text(first, "reason"),
            occurred_at=instant(first, "created_at"),
        ),
    )
