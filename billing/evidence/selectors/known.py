"""Until when the events of a line were received.

That is the moment of the computation, unless events came while it ran: usage is read some time after the moment that
the invoice names, and an event's time of receipt is when its request began. A line says how many events it counts, and
so which of those around the moment were seen: the first ones.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from billing.evidence.selectors.heads import InvoiceBasis
from billing.models import LineKind
from metering.domain.ledger import Ledger
from metering.proofs.selectors.counted import CountedSpan, counts_of, received_around

# As in the verification of invoices: no request lasts as long as the first, and no run as long as the second.
BEFORE: Final = timedelta(minutes=15)
AFTER: Final = timedelta(hours=1)
_NEXT: Final = timedelta(microseconds=1)


def known_spans(basis: InvoiceBasis, ledger: Ledger) -> list[CountedSpan]:
    """Return what each line counts, each until the moment up to which as many events came as the line says."""
    return list(_known(basis, ledger)) if basis.spans else []


def _known(basis: InvoiceBasis, ledger: Ledger) -> Iterator[CountedSpan]:
    found = counts_of(ledger, basis.spans, basis.rules)
    lasting = {rule.id for rule in basis.rules if rule.aggregation.lasts}
    said = {line.position: line.events for line in basis.lines if line.kind == LineKind.USAGE}
    for span in basis.spans:
        wanted = said.get(span.position)
        missing = 0 if wanted is None or span.meter_id in lasting else wanted - found.get(span.position, 0)
        yield replace(span, known_at=_moved(basis, ledger, span, missing)) if missing else span


def _moved(basis: InvoiceBasis, ledger: Ledger, span: CountedSpan, missing: int) -> datetime:
    """Return the moment at which so many more events had come, or less; that of the span if there is none."""
    rules = [rule for rule in basis.rules if rule.id == span.meter_id]
    at = span.known_at
    since, until = (at, at + AFTER) if missing > 0 else (at - BEFORE, at)
    came = received_around(ledger, span, rules, since=since, until=until)
    if abs(missing) > len(came):
        return at
    return came[missing - 1] + _NEXT if missing > 0 else came[missing]
