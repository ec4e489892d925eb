"""Proofs for a tenant: the signed day, and an event with its place in a day's tree."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from accounts.errors import NotFoundError
from metering.domain.canonical import event_key
from metering.domain.ledger import Ledger
from metering.proofs.errors import DayNotSignedError, NotProvenYetError
from metering.proofs.models import DayRoot
from metering.proofs.selectors.leaves import leaves_of_events, leaves_of_voids
from metering.proofs.selectors.roots import Inclusion, inclusion_of, root_of_day
from metering.selectors.retention import refuse_deleted

_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LeafProof:
    """A leaf, its content, and its place in a tree."""

    leaf: bytes
    content: str
    inclusion: Inclusion


def proof_of_day(ledger: Ledger, day: date) -> DayRoot:
    """Return the signed root of a day. Raises `DayNotSignedError`."""
    row = root_of_day(ledger, day)
    if row is None:
        raise DayNotSignedError(
            "This day has no signed root: it is signed 15 minutes after its end, from the first day with an event on."
        )
    return row


def proof_of_event(ledger: Ledger, *, event_id: str, source: str = "") -> tuple[LeafProof, LeafProof | None]:
    """Return the proofs of an event, and of its void if that is signed.

    Raises 404 if the event is unknown or not in a tree yet, 410 if raw events of its time were deleted.
    """
    key = event_key(source, event_id)
    found = leaves_of_events(ledger, [key])
    if not found:
        refuse_deleted(ledger, event_id=event_id, source=source)
        raise NotFoundError("There is no event with this id.")
    [(_, received_at, leaf, content)] = found
    proof = _proof(ledger, received_at.date(), leaf, content)
    if proof is None:
        raise NotProvenYetError("The tree of the day on which this event was received is not signed yet.")
    voids = leaves_of_voids(ledger, [key])
    if not voids:
        return proof, None
    [(_, voided_at, void_leaf, void_content)] = voids
    return proof, _proof(ledger, voided_at.date(), void_leaf, void_content)


def _proof(ledger: Ledger, day: date, leaf: bytes, content: str) -> LeafProof | None:
    inclusion = inclusion_of(ledger, leaf, [day, day + _ONE_DAY])
    return None if inclusion is None else LeafProof(leaf, content, inclusion)
