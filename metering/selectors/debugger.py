"""The outcomes of a tenant's events, newest first: the ledger's rows and events that were not stored, as one list.

The two come from two tables, ordered by when the event occurred and by when it was refused. A page is the merge of a
page of each, and its cursor holds the position in both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db.models import Q

from accounts.domain.pages import PageRequest, RowPosition
from accounts.errors import NotFoundError
from metering.domain.ledger import Ledger
from metering.models import IngestVerdict, Verdict
from metering.selectors.events import EventFilters, StoredEvent, event_by_id, events_page

ACCEPTED: Final = "accepted"
_CURSOR_FIELDS: Final = 4
_BIGINT_MAX: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class SentEventFilters:
    """The filters of sent events; an empty field does not filter. `event_id` is exact.

    The span is half-open, of when a stored event occurred and when a refused one was received.
    """

    outcome: str = ""
    event_type: str = ""
    api_key_id: UUID | None = None
    event_id: str = ""
    source: str = ""
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event that was sent.

    `source` is that of a CloudEvent; `quantity` is set for stored events, `code`, `detail` and `verdict_id` for the
    others.
    """

    at: datetime
    outcome: str
    event_id: str
    event_type: str
    api_key_id: UUID | None
    source: str = ""
    quantity: Decimal | None = None
    subject: str | None = None
    code: str = ""
    detail: str = ""
    verdict_id: int | None = None
    is_voided: bool = False
    replaced_by: str | None = None
    amends: str | None = None


@dataclass(frozen=True, slots=True)
class SentEventCursor:
    """The last row shown of each table; None if no row of it was shown yet."""

    event: RowPosition | None = None
    verdict_at: datetime | None = None
    verdict_id: int = 0

    def __str__(self) -> str:
        event_at, event_key = (self.event.at.isoformat(), self.event.id) if self.event else ("", "")
        verdict_at = self.verdict_at.isoformat() if self.verdict_at else ""
        return f"{event_at}_{event_key}_{verdict_at}_{self.verdict_id}"

    @classmethod
    def parse(cls, text: str) -> "SentEventCursor":
        """Parse the result of `str`; any other text starts at the newest event."""
        parts = text.split("_")
        if len(parts) != _CURSOR_FIELDS:
            return cls()
        try:
            event_at, verdict_at = (datetime.fromisoformat(part) if part else None for part in parts[::2])
            event_key, verdict_id = bytes.fromhex(parts[1]).hex(), int(parts[3])
        except ValueError:
            return cls()
        if (
            any(at is not None and at.tzinfo is None for at in (event_at, verdict_at))
            or not 0 <= verdict_id <= _BIGINT_MAX
        ):
            return cls()
        return cls(RowPosition(event_at, event_key) if event_at else None, verdict_at, verdict_id)


@dataclass(frozen=True, slots=True)
class SentEventPage:
    """Sent events, newest first, and the cursor of the page after it; None at the end."""

    rows: Sequence[SentEvent]
    next_cursor: SentEventCursor | None


def sent_events(*, ledger: Ledger, filters: SentEventFilters, cursor: SentEventCursor, limit: int) -> SentEventPage:
    """Return a page of the events sent to one half of a tenant's ledger, in two queries."""
    stored = _stored(ledger, filters, cursor, limit + 1)
    refused = _refused(ledger, filters, cursor, limit + 1)
    rows: list[tuple[SentEvent, StoredEvent | IngestVerdict]] = [
        *((_of_event(event), event) for event in stored),
        *((_of_verdict(verdict), verdict) for verdict in refused),
    ]
    rows.sort(key=lambda row: row[0].at, reverse=True)
    shown = rows[:limit]
    next_cursor = _advanced(cursor, [origin for _, origin in shown]) if len(rows) > limit else None
    return SentEventPage(tuple(row for row, _ in shown), next_cursor)


def refused_event(*, tenant_id: UUID, verdict_id: int) -> IngestVerdict:
    """Return one of the tenant's events that were not stored. Raises `NotFoundError`, also for another tenant's."""
    verdict = None
    if verdict_id <= _BIGINT_MAX:
        verdict = IngestVerdict.objects.filter(tenant_id=tenant_id, pk=verdict_id).first()
    if verdict is None:
        raise NotFoundError("There is no such event.")
    return verdict


def newest_event(*, ledgers: Sequence[Ledger]) -> StoredEvent | None:
    """Return the latest event of these halves of the ledger, for the page that waits for a first event."""
    pages = (events_page(ledger=ledger, filters=EventFilters(), page=PageRequest(rows_max=1)) for ledger in ledgers)
    newest = [event for page in pages for event in page.rows]
    return max(newest, key=lambda event: event.received_at, default=None)


def _stored(ledger: Ledger, filters: SentEventFilters, cursor: SentEventCursor, limit: int) -> Sequence[StoredEvent]:
    if filters.outcome not in {"", ACCEPTED}:
        return []
    if not filters.event_id:
        wanted = EventFilters(
            type=filters.event_type or None, api_key_id=filters.api_key_id, start=filters.start, end=filters.end
        )
        return events_page(ledger=ledger, filters=wanted, page=PageRequest(limit, cursor.event)).rows
    event = event_by_id(ledger=ledger, event_id=filters.event_id, source=filters.source)
    if event is None or cursor.event is not None:
        return []
    is_wanted = filters.event_type in {"", event.type} and filters.api_key_id in {None, event.api_key_id}
    is_within = _is_within(event.occurred_at, filters)
    return [event] if is_wanted and is_within else []


def _is_within(at: datetime, filters: SentEventFilters) -> bool:
    return (filters.start is None or filters.start <= at) and (filters.end is None or at < filters.end)


def _refused(ledger: Ledger, filters: SentEventFilters, cursor: SentEventCursor, limit: int) -> list[IngestVerdict]:
    if filters.outcome == ACCEPTED:
        return []
    verdicts = IngestVerdict.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live)
    if cursor.verdict_at is not None:
        verdicts = verdicts.filter(
            Q(received_at__lt=cursor.verdict_at) | Q(received_at=cursor.verdict_at, id__lt=cursor.verdict_id)
        )
    if filters.outcome in Verdict.values:
        verdicts = verdicts.filter(verdict=filters.outcome)
    if filters.event_type:
        verdicts = verdicts.filter(event_type=filters.event_type)
    if filters.api_key_id:
        verdicts = verdicts.filter(api_key_id=filters.api_key_id)
    if filters.event_id:
        verdicts = verdicts.filter(event_id=filters.event_id)
    if filters.source:
        verdicts = verdicts.filter(source=filters.source)
    if filters.start is not None:
        verdicts = verdicts.filter(received_at__gte=filters.start)
    if filters.end is not None:
        verdicts = verdicts.filter(received_at__lt=filters.end)
    return list(verdicts.order_by("-received_at", "-id")[:limit])


def _of_event(event: StoredEvent) -> SentEvent:
    return SentEvent(
        at=event.occurred_at,
        outcome=ACCEPTED,
        event_id=event.id,
        event_type=event.type,
        api_key_id=event.api_key_id,
        source=event.source,
        quantity=event.quantity,
        subject=event.subject,
        is_voided=event.void is not None,
        replaced_by=event.void.replaced_by if event.void else None,
        amends=event.amends,
    )


def _of_verdict(verdict: IngestVerdict) -> SentEvent:
    return SentEvent(
        at=verdict.received_at,
        outcome=verdict.verdict,
        event_id=verdict.event_id,
        event_type=verdict.event_type,
        api_key_id=verdict.api_key_id,
        source=verdict.source,
        code=verdict.code,
        detail=verdict.detail,
        verdict_id=verdict.pk,
    )


def _advanced(cursor: SentEventCursor, shown: Sequence[StoredEvent | IngestVerdict]) -> SentEventCursor:
    event = next((row for row in reversed(shown) if isinstance(row, StoredEvent)), None)
    verdict = next((row for row in reversed(shown) if isinstance(row, IngestVerdict)), None)
    return SentEventCursor(
        event=RowPosition(event.occurred_at, event.key.hex()) if event else cursor.event,
        verdict_at=verdict.received_at if verdict else cursor.verdict_at,
        verdict_id=verdict.pk if verdict else cursor.verdict_id,
    )
