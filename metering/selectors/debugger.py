"""What became of the events that a tenant sent, newest first: the ledger's rows and the events that were not stored, as one list.

The two come from two tables, ordered by when the event occurred and by when it was refused. A page is the merge of a page of
each, and its cursor holds the place reached in both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from metering.domain.canonical import event_key
from metering.domain.ledger import Ledger
from metering.models import Event, EventIdentity, EventVoid, IngestVerdict, Verdict

ACCEPTED: Final = "accepted"
_CURSOR_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class SentEventFilter:
    """Which sent events to show; an empty field does not narrow. `event_id` is exact."""

    outcome: str = ""
    event_type: str = ""
    api_key_id: UUID | None = None
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event that was sent. `key` is the ledger's identity in hex, empty where it was not stored."""

    at: datetime
    outcome: str
    event_id: str
    event_type: str
    api_key_id: UUID | None
    key: str = ""
    quantity: Decimal | None = None
    subject: str | None = None
    code: str = ""
    detail: str = ""
    is_voided: bool = False


@dataclass(frozen=True, slots=True)
class SentEventCursor:
    """The last row shown of each table; None where nothing of it was shown yet."""

    event_at: datetime | None = None
    event_key: bytes = b""
    verdict_at: datetime | None = None
    verdict_id: int = 0

    def __str__(self) -> str:
        event_at = self.event_at.isoformat() if self.event_at else ""
        verdict_at = self.verdict_at.isoformat() if self.verdict_at else ""
        return f"{event_at}_{self.event_key.hex()}_{verdict_at}_{self.verdict_id}"

    @classmethod
    def parse(cls, text: str) -> "SentEventCursor":
        """Read what `str` wrote; anything else starts at the newest event."""
        parts = text.split("_")
        if len(parts) != _CURSOR_FIELDS:
            return cls()
        try:
            event_at, verdict_at = (datetime.fromisoformat(part) if part else None for part in parts[::2])
            cursor = cls(event_at, bytes.fromhex(parts[1]), verdict_at, int(parts[3]))
        except ValueError:
            return cls()
        is_aware = all(at is None or at.tzinfo is not None for at in (event_at, verdict_at))
        return cursor if is_aware and abs(cursor.verdict_id) < 1 << 63 else cls()


@dataclass(frozen=True, slots=True)
class SentEventPage:
    """Sent events, newest first, and the cursor of the page after it; None at the end."""

    rows: Sequence[SentEvent] = field(default_factory=tuple)
    next_cursor: SentEventCursor | None = None


def sent_events(*, ledger: Ledger, filters: SentEventFilter, cursor: SentEventCursor, limit: int) -> SentEventPage:
    """A page of what was sent to one half of a tenant's ledger, in three queries at most."""
    stored = _stored(ledger, filters, cursor, limit + 1) if filters.outcome in ("", ACCEPTED) else []
    refused = [] if filters.outcome == ACCEPTED else _refused(ledger, filters, cursor, limit + 1)
    merged: list[Any] = sorted([*stored, *refused], key=_instant, reverse=True)
    shown = list(islice(merged, limit))
    voided = _voided_keys(ledger, [row for row in shown if isinstance(row, Event)])
    rows = tuple(_of_event(row, voided) if isinstance(row, Event) else _of_verdict(row) for row in shown)
    return SentEventPage(rows, _advanced(cursor, shown) if len(merged) > limit else None)


def stored_event(*, ledger: Ledger, key: bytes) -> Event | None:
    """The event of that identity in that half of the ledger."""
    identity = EventIdentity.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).filter(key=key).first()
    if identity is None:
        return None
    events = Event.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live)
    found: Event | None = events.filter(occurred_at=identity.occurred_at, key=key).first()
    return found


def void_of(*, ledger: Ledger, key: bytes) -> EventVoid | None:
    """The void that cancels the event, if there is one."""
    found: EventVoid | None = EventVoid.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).filter(key=key).first()
    return found


def newest_event(*, tenant_id: UUID) -> Event | None:
    """The latest event in either half of the ledger: what a newcomer's first page waits for."""
    halves = (Event.objects.of_ledger(tenant_id, is_live=is_live).order_by("-occurred_at", "-key").first() for is_live in (True, False))
    return max((event for event in halves if event is not None), key=lambda event: event.occurred_at, default=None)


def _instant(row: Event | IngestVerdict) -> datetime:
    return row.occurred_at if isinstance(row, Event) else row.received_at


def _stored(ledger: Ledger, filters: SentEventFilter, cursor: SentEventCursor, limit: int) -> list[Event]:
    events = Event.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live)
    if cursor.event_at is not None:
        events = events.filter(Q(occurred_at__lt=cursor.event_at) | Q(occurred_at=cursor.event_at, key__lt=cursor.event_key))
    if filters.event_type:
        events = events.filter(type=filters.event_type)
    if filters.api_key_id:
        events = events.filter(api_key_id=filters.api_key_id)
    if filters.event_id:
        identity = EventIdentity.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live)
        known = identity.filter(key=event_key("", filters.event_id)).first()
        if known is None:
            return []
        events = events.filter(occurred_at=known.occurred_at, key=known.key)
    return list(events.order_by("-occurred_at", "-key")[:limit])


def _refused(ledger: Ledger, filters: SentEventFilter, cursor: SentEventCursor, limit: int) -> list[IngestVerdict]:
    verdicts = IngestVerdict.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live)
    if cursor.verdict_at is not None:
        verdicts = verdicts.filter(Q(received_at__lt=cursor.verdict_at) | Q(received_at=cursor.verdict_at, id__lt=cursor.verdict_id))
    if filters.outcome in Verdict.values:
        verdicts = verdicts.filter(verdict=filters.outcome)
    if filters.event_type:
        verdicts = verdicts.filter(event_type=filters.event_type)
    if filters.api_key_id:
        verdicts = verdicts.filter(api_key_id=filters.api_key_id)
    if filters.event_id:
        verdicts = verdicts.filter(event_id=filters.event_id)
    return list(verdicts.order_by("-received_at", "-id")[:limit])


def _voided_keys(ledger: Ledger, events: Sequence[Event]) -> frozenset[bytes]:
    if not events:
        return frozenset()
    voids = EventVoid.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live)
    return frozenset(bytes(key) for key in voids.filter(key__in=[event.key for event in events]).values_list("key", flat=True))


def _of_event(event: Event, voided: frozenset[bytes]) -> SentEvent:
    return SentEvent(
        at=event.occurred_at,
        outcome=ACCEPTED,
        event_id=event.event_id,
        event_type=event.type,
        api_key_id=event.api_key_id,
        key=bytes(event.key).hex(),
        quantity=event.quantity,
        subject=event.subject,
        is_voided=bytes(event.key) in voided,
    )


def _of_verdict(verdict: IngestVerdict) -> SentEvent:
    return SentEvent(
        at=verdict.received_at,
        outcome=verdict.verdict,
        event_id=verdict.event_id,
        event_type=verdict.event_type,
        api_key_id=verdict.api_key_id,
        code=verdict.code,
        detail=verdict.detail,
    )


def _advanced(cursor: SentEventCursor, shown: Sequence[Event | IngestVerdict]) -> SentEventCursor:
    event = next((row for row in reversed(shown) if isinstance(row, Event)), None)
    verdict = next((row for row in reversed(shown) if isinstance(row, IngestVerdict)), None)
    return SentEventCursor(
        event_at=event.occurred_at if event else cursor.event_at,
        event_key=bytes(event.key) if event else cursor.event_key,
        verdict_at=verdict.received_at if verdict else cursor.verdict_at,
        verdict_id=verdict.pk if verdict else cursor.verdict_id,
    )
