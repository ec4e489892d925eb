"""The periods that a customer chooses on the overview and on the page of usage, and the borders of billing periods.

A billing period is the subscription's own, to the instant, so its usage is what the invoice counts. Without a
subscription it is that of quotas. Every other period is of whole days of the tenant's time zone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.formats import date_format

from billing.models import Subscription
from metering.domain.ledger import Ledger
from metering.domain.periods import (
    Period,
    Span,
    YearMonth,
    anchored_span,
    local_day,
    month_span,
    span_of,
    start_of_day,
)

BILLING: Final = "billing"
LAST_BILLING: Final = "last_billing"
THIS_MONTH: Final = "this_month"
LAST_MONTH: Final = "last_month"
YEAR: Final = "year"
CUSTOM: Final = "custom"
OF_LINE: Final = "line"
CHOICES: Final = (
    (BILLING, "Current billing period"),
    (LAST_BILLING, "Previous billing period"),
    (THIS_MONTH, "This month"),
    (LAST_MONTH, "Last month"),
    ("7", "Last 7 days"),
    ("30", "Last 30 days"),
    ("90", "Last 90 days"),
    (YEAR, "Last 12 months"),
    (CUSTOM, "From … to"),
)
# So many billing periods lie in the longest span that a page shows.
BORDERS_MAX: Final = 40
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Border:
    """The start of a billing period: its instant, and its day in words."""

    at: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days, months and billing periods of a tenant at an instant."""

    ledger: Ledger
    subscription: Subscription | None
    as_of: datetime

    @property
    def zone(self) -> str:
        """Return the tenant's time zone."""
        return self.ledger.time_zone

    @property
    def today(self) -> date:
        """Return the current day."""
        return local_day(self.as_of, self.zone)

    def billing_period(self, before: int = 0) -> Span:
        """Return the current billing period, or one so many before it.

        It begins when the subscription did, if that was within it: what was used before is not charged.
        """
        own = self.subscription
        if own is None:
            return self._of_quotas(before)
        if not before:
            return Span(_after_start(own, own.period_start), own.period_end)
        index = own.next_boundary - 1 - before
        if index >= 0:
            span = anchored_span(own.anchor_at, index, own.time_zone)
            return Span(_after_start(own, span.start), span.end)
        if index == -1 and own.started_at < own.anchor_at:
            return Span(own.started_at, own.anchor_at)
        first = _after_start(own, own.period_start) if before == 1 else own.started_at
        return Span(anchored_span(first, -1, own.time_zone).start, first)

    def span(self, period: str) -> Span:
        """Return the span of a choice that needs no more than its name."""
        match period:
            case "billing":
                return self.billing_period()
            case "last_billing":
                return self.billing_period(1)
            case "this_month":
                return month_span(YearMonth.of(self.today), self.zone)
            case "last_month":
                return month_span(YearMonth.of(self.today).plus(-1), self.zone)
            case "year":
                return self.days(YearMonth.of(self.today).plus(-11).first_day(), self.today)
        return self.days(self.today - int(period) * _DAY + _DAY, self.today)

    def days(self, first: date, last: date) -> Span:
        """Return the days from the first to the last, both included."""
        return Span(start_of_day(first, self.zone), start_of_day(last + _DAY, self.zone))

    def before(self, period: str, span: Span) -> Span:
        """Return the span that a chosen one is compared with: the period before, or as many days before."""
        match period:
            case "billing":
                return self.billing_period(1)
            case "last_billing":
                return self.billing_period(2)
            case "this_month":
                return self.span(LAST_MONTH)
            case "last_month":
                return month_span(YearMonth.of(self.today).plus(-2), self.zone)
            case "year":
                first = YearMonth.of(local_day(span.start, self.zone))
                return Span(start_of_day(first.plus(-12).first_day(), self.zone), span.start)
        first_day, end_day = local_day(span.start, self.zone), local_day(span.end - _MICROSECOND, self.zone) + _DAY
        return Span(start_of_day(first_day - (end_day - first_day), self.zone), span.start)

    def borders(self, span: Span) -> list[Border]:
        """Return the starts of billing periods within a span, without its own start."""
        zone = ZoneInfo(self.zone)
        starts = (start for start in self._starts() if span.start < start < span.end)
        return [Border(start, date_format(start.astimezone(zone), "j M")) for start in starts]

    def _starts(self) -> Iterator[datetime]:
        own = self.subscription
        if own is None:
            start = self._of_quotas(0).end
            for number in range(BORDERS_MAX):
                yield start
                start = self._of_quotas(number).start
            return
        last = own.next_boundary + 1
        for index in range(last, max(last - BORDERS_MAX, -1), -1):
            yield anchored_span(own.anchor_at, index, own.time_zone).start

    def _of_quotas(self, before: int) -> Span:
        span = span_of(Period.BILLING, self.as_of, self.zone, self.ledger.period_anchor_on)
        for _ in range(before):
            span = span_of(Period.BILLING, span.start - _MICROSECOND, self.zone, self.ledger.period_anchor_on)
        return span


def _after_start(subscription: Subscription, start: datetime) -> datetime:
    return max(start, subscription.started_at)
