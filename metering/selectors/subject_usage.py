"""What each subject has used of a meter, summed from the events: rollups do not keep subjects apart."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from accounts.errors import StoreUnavailableError
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import subject_counter
from metering.domain.periods import Span
from metering.errors import QueryTooLargeError
from metering.selectors.catalog import meter_rules
from metering.selectors.usage_query import SUBJECT, UsageQuestion, query_usage

SUBJECTS_MAX: Final = 5_000_000


def used_of_subjects(
    ledger: Ledger, marker: CounterKey, subjects: Sequence[str] | None = None
) -> dict[CounterKey, Decimal]:
    """Return the counters of all subjects, or of these, of the marker's meter and period that have usage.

    Exact during ingest only while the ledger is locked. Raises `StoreUnavailableError` if there are too many events to
    sum up.
    """
    rule = next((rule for rule in meter_rules() if rule.id == marker.meter_id), None)
    if rule is None:
        return {}
    span = Span(marker.period_start, marker.period_end)
    filters = {} if subjects is None else {SUBJECT: list(subjects)}
    question = UsageQuestion(meter=rule, span=span, window=None, group_by=(SUBJECT,), filters=filters)
    try:
        rows = query_usage(ledger=ledger, question=question, rows_max=SUBJECTS_MAX)
    except QueryTooLargeError as error:
        raise StoreUnavailableError("The usage of each subject could not be summed up in time.") from error
    named = ((row.group[SUBJECT], row.quantity) for row in rows)
    return {subject_counter(marker, subject): quantity for subject, quantity in named if subject}
