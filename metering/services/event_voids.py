"""Void and amend events whose usage may also count against limits: the void, and the counters to sum up again."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from metering.domain.events import ParsedEvent
from metering.domain.ledger import Ledger
from metering.errors import AlreadyVoidedError, EventConflictError, EventsDeletedError
from metering.services.ingest import ingest_events
from metering.services.ledger_lock import lock_ledger
from metering.services.limits.counting import forget_counters
from metering.services.reports import TOO_LATE_DETAIL
from metering.services.voids import lock_for_void, void_event


@transaction.atomic
def void_counted_event(
    *, ledger: Ledger, event_id: str, reason: str, voided_by: str, as_of: datetime, source: str = ""
) -> None:
    """Void one event; usage and quotas change at once.

    Raises `NotFoundError` if there is no such event, `AlreadyVoidedError` the second time.
    """
    lock_for_void(ledger, event_id=event_id, source=source)
    forget_counters(ledger=ledger, as_of=as_of)
    void_event(ledger=ledger, event_id=event_id, reason=reason, voided_by=voided_by, as_of=as_of, source=source)


@transaction.atomic
def void_counted_events(
    *, ledger: Ledger, names: Collection[tuple[str, str]], reason: str, voided_by: str, as_of: datetime
) -> int:
    """Void the named events (id and source), all or none, and return how many; those that are void already stay so.

    For few events: each is one statement. Raises `NotFoundError` if one is unknown, `EventsDeletedError`. The ledger is
    locked first, since two statements that count would else wait for others in a circle.
    """
    lock_ledger(ledger)
    forget_counters(ledger=ledger, as_of=as_of)
    voided = 0
    for event_id, source in sorted(names):
        try:
            with transaction.atomic():
                void_event(
                    ledger=ledger, event_id=event_id, reason=reason, voided_by=voided_by, as_of=as_of, source=source
                )
        except AlreadyVoidedError:
            continue
        voided += 1
    return voided


@transaction.atomic
def amend_counted_event(
    *,
    ledger: Ledger,
    event_id: str,
    replacement: ParsedEvent,
    api_key_id: UUID | None,
    reason: str,
    voided_by: str,
    as_of: datetime,
) -> None:
    """Void an event and store the one that replaces it, of the same source and with an id of its own: both or neither.

    Raises `NotFoundError`, `AlreadyVoidedError`, `EventConflictError` if the new id is known, `EventsDeletedError`.
    The ledger is locked, since two statements that count would else wait for others in a circle.
    """
    lock_ledger(ledger)
    forget_counters(ledger=ledger, as_of=as_of)
    void_event(
        ledger=ledger,
        event_id=event_id,
        reason=reason,
        voided_by=voided_by,
        as_of=as_of,
        source=replacement.source,
        replaced_by=replacement.id,
    )
    result = ingest_events(ledger=ledger, events=[replacement], api_key_id=api_key_id, as_of=as_of)
    if result.too_late:
        raise EventsDeletedError(TOO_LATE_DETAIL)
    if not result.accepted:
        raise EventConflictError("The id of the replacement was used before; nothing was changed.")
