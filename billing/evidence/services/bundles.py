"""An invoice's evidence: all that a stranger needs to compute it again, signed by the key that signs days.

`docs/algorithms/evidence.md`. Nothing is stored by it but the first signing key, if there was none.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

from accounts.domain.numbers import number_text
from billing.evidence.domain.bundle import EventsShown, EvidenceStatement, digest_of_head, written
from billing.evidence.selectors.heads import InvoiceBasis, LineEvents, basis_of, head_of
from billing.evidence.selectors.known import known_spans
from billing.models import Invoice
from metering.domain.ledger import Ledger
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.proofs.domain.signatures import sign
from metering.proofs.models import DayRoot
from metering.proofs.selectors.counted import CountedLeaf, CountedSpan, copy_counted_leaves, read_counted_leaves
from metering.proofs.selectors.keys import published_keys
from metering.proofs.selectors.places import TreePlace, places_of
from metering.proofs.selectors.roots import body_of, days_between
from metering.proofs.services.keys import signing_key
from metering.selectors.ledgers import half_of
from metering.selectors.retention import deleted_before

EVENTS_MAX: Final = 200_000
PART_BYTES: Final = 256 * 1024
_ONE_DAY: Final = timedelta(days=1)


def evidence_of(*, invoice: Invoice, shown: EventsShown, as_of: datetime) -> Iterator[bytes]:
    """Return the bundle of an issued invoice, in parts. The events are read before this returns.

    Raises `QueryTooLargeError` if it has more than `EVENTS_MAX` events, and `EventsDeletedError` if events of its span
    are deleted.
    """
    basis = basis_of(invoice)
    _require_possible(basis)
    parts = _parts(basis, shown, as_of)
    return chain([next(parts)], parts)


def _require_possible(basis: InvoiceBasis) -> None:
    counting = [line for line in basis.lines if line.meter_id is not None]
    if sum(abs(line.events or 0) for line in counting) > EVENTS_MAX:
        raise QueryTooLargeError(f"The invoice has more than {number_text(EVENTS_MAX)} events.")
    deleted = deleted_before()
    if deleted is not None and any(line.period_start < deleted[0] for line in counting):
        raise EventsDeletedError(
            f"The raw events before {deleted[0]:%-d %B %Y} were deleted on {deleted[1]:%-d %B %Y}."
            " What they came to was verified and sealed before."
        )


def _parts(basis: InvoiceBasis, shown: EventsShown, as_of: datetime) -> Iterator[bytes]:
    """Yield the bundle in parts of some size; its events wait in a file, which is closed at the end."""
    ledger = half_of(basis.invoice.tenant, is_live=True)
    with TemporaryFile() as file:
        spans = known_spans(basis, ledger)
        if spans:
            has_content = shown is not EventsShown.HASHES
            copy_counted_leaves(ledger, spans, basis.rules, has_content=has_content, to=file)
        part = bytearray()
        for piece in _pieces(file, basis, spans, shown, as_of):
            part += piece
            if len(part) >= PART_BYTES:
                yield bytes(part)
                part.clear()
        yield bytes(part)


def _pieces(
    file: BinaryIO, basis: InvoiceBasis, spans: Sequence[CountedSpan], shown: EventsShown, as_of: datetime
) -> Iterator[bytes]:
    ledger = half_of(basis.invoice.tenant, is_live=True)
    events, received = _sums_of(file, spans)
    head = head_of(basis, events, shown)
    key_id, private = signing_key(as_of=as_of)
    statement = EvidenceStatement(basis.invoice.tenant_id, basis.invoice.number or "", digest_of_head(head), key_id)
    days = {row.day: row for row in days_between(ledger, *_days_of(basis, received))}
    return written(
        head=head,
        signature={"key": key_id, "signature": sign(private, statement.text).hex()},
        keys=[_key(key) for key in reversed(published_keys())],
        days=[body_of(row) for row in days.values()],
        events=_events(file, ledger, days),
    )


def _sums_of(file: BinaryIO, spans: Sequence[CountedSpan]) -> tuple[dict[int, LineEvents], list[date]]:
    """Return number and digest of the events of each line, and the days on which events were received."""
    counts: defaultdict[int, int] = defaultdict(int)
    hashes: defaultdict[int, Any] = defaultdict(hashlib.sha256)
    received: dict[date, None] = {}
    for one in read_counted_leaves(file):
        received[one.day] = None
        for position in one.positions:
            counts[position] += 1
            hashes[position].update(one.leaf)
    sums = {
        one.position: LineEvents(
            one.known_at, counts[one.position], hashes[one.position].hexdigest() if counts[one.position] else None
        )
        for one in spans
    }
    return sums, list(received)


def _days_of(basis: InvoiceBasis, received: list[date]) -> tuple[date, date]:
    """Return the first and the last day of the chain that a bundle shows.

    It covers the invoice's period, each day on which an event was received and the day after, in which a late one is,
    and the day after the computation: so the chains of two invoices in a row overlap.
    """
    days = [*received, basis.invoice.period_start.astimezone(UTC).date(), basis.computed_at.astimezone(UTC).date()]
    return min(days), max(days) + _ONE_DAY


def _key(key: Mapping[str, Any]) -> dict[str, object]:
    created_at: datetime = key["created_at"]
    return {**key, "created_at": created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


def _events(file: BinaryIO, ledger: Ledger, days: Mapping[date, DayRoot]) -> Iterator[dict[str, object]]:
    for one, place in places_of(ledger, read_counted_leaves(file), days):
        yield _event(one, place)


def _event(one: CountedLeaf, place: TreePlace | None) -> dict[str, object]:
    event: dict[str, object] = {"leaf": one.leaf.hex(), "lines": list(one.positions)}
    if one.content is not None:
        event["content"] = one.content
    if place is None:
        return event | {"unsigned": one.day.isoformat()}
    return event | {"day": place.day.isoformat(), "index": place.index, "path": [node.hex() for node in place.path]}
