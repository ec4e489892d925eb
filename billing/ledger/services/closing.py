"""Close months: store their sums, and accept no more entries. `docs/algorithms/ledger.md`, section L5."""

from datetime import date, datetime
from typing import Final

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.errors import ConflictError, FieldError, InvalidFieldsError
from accounts.services.audit import AuditTarget, record_audit
from accounts.sql import fetch_all
from billing.ledger.domain.months import digest_of_sums, month_after, months_between
from billing.ledger.models import ClosedMonth, JournalEntry
from billing.ledger.selectors.months import first_open_month, sums_as_posted
from billing.ledger.services.releasing import release_deferred

# The lock that billing/ledger/migrations/journal.sql takes shared for each posting.
CLOSING_LOCK: Final = 7310468205
LOCK: Final = "SELECT pg_advisory_xact_lock(%(lock)s)"


@transaction.atomic
def close_months(*, month: date, today: date, actor: Actor, as_of: datetime) -> list[ClosedMonth]:
    """Close the month that begins on `month`, and every earlier one that is open; `today` is the issuer's.

    Waits for transactions that are posting. Raises `InvalidFieldsError` if the month is not over, `ConflictError` if
    there is nothing to close.
    """
    if month.day != 1 or month >= today.replace(day=1):
        problem = FieldError("/month", "not_over", "Only a month that is over can be closed.")
        raise InvalidFieldsError(problem.detail, field_errors=(problem,))
    fetch_all(LOCK, {"lock": CLOSING_LOCK})
    release_deferred(month=month, as_of=as_of)
    first = first_open_month()
    if first is None or first > month:
        raise ConflictError("The month is already closed, or nothing was posted in it.")
    return [_close(each, actor, as_of) for each in months_between(first, month)]


def _close(month: date, actor: Actor, as_of: datetime) -> ClosedMonth:
    end = month_after(month)
    sums = sums_as_posted(first=month, end=end).get(month, ())
    closed: ClosedMonth = ClosedMonth.objects.create(
        month=month,
        sums=[sum_.stored() for sum_ in sums],
        digest=digest_of_sums(sums),
        entries=JournalEntry.objects.filter(posted_on__gte=month, posted_on__lt=end).count(),
        closed_at=as_of,
        closed_by=actor.label[:254],
    )
    record_audit(
        actor=actor,
        action="books.month_closed",
        tenant_id=None,
        target=AuditTarget("closed_month", month, f"{month:%Y-%m}"),
        after={"entries": closed.entries},
        as_of=as_of,
    )
    return closed
