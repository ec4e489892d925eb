"""Voiding an event whose usage may also count against limits: the void, and the counters to be summed up again."""

from datetime import datetime

from django.db import transaction

from metering.domain.ledger import Ledger
from metering.services.limits.counting import forget_counters
from metering.services.voids import void_event


@transaction.atomic
def void_counted_event(*, ledger: Ledger, event_id: str, reason: str, voided_by: str, as_of: datetime) -> None:
    """Cancel one event; usage and what is left of quotas follow at once.

    Raises `NotFoundError` where there is none, `AlreadyVoidedError` the second time.
    """
    void_event(ledger=ledger, event_id=event_id, reason=reason, voided_by=voided_by, as_of=as_of)
    forget_counters(ledger=ledger, as_of=as_of)
