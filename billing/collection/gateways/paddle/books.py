"""Paddle's books as values: our documents' transactions, and what went back of them. Reads only.

Amounts are without tax, as our documents are. Paddle has no payouts in its API.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from billing.collection.domain.json_values import Json, inner, items, text
from billing.collection.domain.provider import ClaimState, InboundEvent, ProviderStatement, ReportedClaim
from billing.collection.errors import PaymentRefusedError
from billing.collection.gateways.paddle import api
from billing.collection.gateways.paddle.adjustments import read_disputes, read_refunds
from billing.collection.gateways.paddle.objects import CANCELED, PAID, amount, instant, read_transaction

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING: Final = "not_found"


class PaddleBooks:
    """The capability `ProviderBooks`."""

    def statement(self, *, since: datetime) -> ProviderStatement:
        """Return the transactions of our documents, and their refunds and disputes."""
        claims = [claim for one in api.transactions_since(since) if (claim := _claim(one)) is not None]
        ours = {claim.reference for claim in claims}
        adjusted: dict[str, list[Json]] = defaultdict(list)
        for one in reversed(api.adjustments_since(since)):
            adjusted[text(one, "transaction_id")].append(one)
        known = {id_: same for id_, same in adjusted.items() if id_ in ours or self.claim(id_) is not None}
        return ProviderStatement(
            claims=tuple(claims),
            refunds=tuple(refund for same in known.values() for refund in read_refunds(same)),
            disputes=tuple(dispute for same in known.values() for dispute in read_disputes(same)),
        )

    def claim(self, reference: str) -> ReportedClaim | None:
        """Return a transaction, or None if Paddle does not have it or it is none of ours."""
        try:
            return _claim(api.transaction(reference))
        except PaymentRefusedError as error:
            if error.reason != _MISSING:
                raise
            return None

    def events(self, *, since: datetime, until: datetime) -> Sequence[InboundEvent]:  # noqa: ARG002 - the protocol's
        """Return none: Paddle sends an event again for three days, and staff replay older ones on its page."""
        return ()


def _claim(transaction: Json) -> ReportedClaim | None:
    collected = read_transaction(transaction)
    if collected.invoice_id is None:
        return None
    is_paid = collected.status in PAID
    state = ClaimState.PAID if is_paid else ClaimState.VOID if collected.status == CANCELED else ClaimState.OPEN
    paid_at = None if collected.payment is None else collected.payment.occurred_at
    totals = inner(inner(transaction, "details"), "totals")
    return ReportedClaim(
        reference=collected.id,
        customer_reference=collected.customer_id,
        invoice_id=collected.invoice_id,
        state=state,
        amount_minor=collected.net_minor,
        currency=collected.currency,
        happened_at=paid_at or instant(transaction, "created_at") or _LONG_AGO,
        charges=sum(text(one, "status") == "captured" for one in items(transaction, "payments")),
        fee_minor=amount(totals, "fee") if is_paid and text(totals, "fee") else None,
    )
