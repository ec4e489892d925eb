"""Months of raw events that are being deleted, through the real services, without invoices."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from metering.domain.ledger import Ledger
from metering.selectors.span_usage import UsageSpan
from metering.services.retention import close_month, delete_sealed_months, finish_sealing, seal_ledgers, seal_spans

MARCH: Final = date(2026, 3, 1)
APRIL: Final = date(2026, 4, 1)
# The first three nights on which March may go by a term of four months.
NIGHT: Final = datetime(2026, 8, 2, 5, 40, tzinfo=UTC)
NEXT_NIGHT: Final = NIGHT + timedelta(days=1)
THIRD_NIGHT: Final = NIGHT + timedelta(days=2)


def seal(ledgers: Iterable[Ledger], *, month: date = MARCH, spans: Iterable[UsageSpan] = ()) -> None:
    """Close a month and seal its rollups as evidence."""
    close_month(month=month, as_of=NIGHT)
    assert seal_ledgers(ledgers=ledgers, month=month, as_of=NEXT_NIGHT) == []
    seal_spans(spans=spans, month=month)
    finish_sealing(month=month, as_of=NEXT_NIGHT)


def let_go(ledgers: Iterable[Ledger], *, month: date = MARCH, spans: Iterable[UsageSpan] = ()) -> None:
    """Delete the raw events of a month."""
    seal(ledgers, month=month, spans=spans)
    assert month in delete_sealed_months(as_of=THIRD_NIGHT)
