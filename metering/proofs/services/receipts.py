"""Receipts: what a call stored, signed at once. Later it proves that the event is in its day's tree, or is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from metering.domain.events import ParsedEvent
from metering.domain.ledger import Ledger
from metering.proofs.domain.signatures import sign
from metering.proofs.domain.statements import ReceiptStatement
from metering.proofs.selectors.leaves import leaves_of_events
from metering.proofs.services.keys import signing_key


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signed receipt, and the event of each of its leaves."""

    statement: ReceiptStatement
    events: tuple[ParsedEvent, ...]
    signature: bytes


def issue_receipt(*, ledger: Ledger, events: Sequence[ParsedEvent], as_of: datetime) -> Receipt:
    """Sign the leaves of stored events, in their order. They are read back, so the ledger's rows are what is signed.

    Raises `ProofKeyUnreadableError`.
    """
    stored = {key: (received_at, leaf) for key, received_at, leaf, _ in leaves_of_events(ledger, _keys(events))}
    receipted = tuple(event for event in events if event.key in stored)
    key_id, private = signing_key(as_of=as_of)
    statement = ReceiptStatement(
        tenant_id=ledger.tenant_id,
        is_live=ledger.is_live,
        leaves=tuple((stored[event.key][0].date(), stored[event.key][1]) for event in receipted),
        key_id=key_id,
        signed_at=as_of,
    )
    return Receipt(statement, receipted, sign(private, statement.text))


def _keys(events: Sequence[ParsedEvent]) -> list[bytes]:
    return [event.key for event in events]
