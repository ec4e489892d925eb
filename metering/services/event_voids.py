"""Void an event whose usage may also count against limits: the void, and the counters to sum up again."""

from datetime import datetime

from django.db import transaction

from metering.domain.ledger import Ledger
from metering.services.limits.counting import forget_counters
from metering.services.voids import lock_for_void, void_event


@transaction.atomic
def void_counted_event(*, ledger: Ledger, event_id: str, reason: str, voided_by: str, as_of: datetime) -> None:
    """Void one event; usage and quotas change at once.

    Raises `NotFoundError` if there is no such event, `AlreadyVoidedError` the second time.
    """
    lock_for_void(ledger)
    forget_counters(ledger=ledger, as_of=as_of)
    void_event(ledger=ledger, event_id=event_id, reason=reason, voided_by=voided_by, as_of=as_of)
