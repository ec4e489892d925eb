"""A subscription as its invoice at a boundary needs it: which period is closed, which is opened, and on which plans.

Pure.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Final
from uuid import UUID

from billing.domain.invoicing.items import OpenItem
from billing.domain.plan_terms import SoldPrice, SoldVersion
from billing.domain.proration import FeeRefund
from billing.domain.tax import TaxDecision
from metering.domain.periods import Span, anchored_span

LAST_LOOK_MARGIN: Final = timedelta(days=1)
# A stored boundary that is nearer to the calendar's is the same one: the calendar of the zone was another one then.
CALENDAR_MOVES_MAX: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Phase:
    """From `starts_at` on the subscription is on `version`.

    `fee_refund` is what the seller gave back of fees when the plan was changed to it.
    """

    starts_at: datetime
    version: SoldVersion
    fee_refund: FeeRefund = FeeRefund.BY_DAY


@dataclass(frozen=True, slots=True)
class InvoicedFee:
    """The line with the fee of the closed period, on an earlier invoice.

    `is_forgiven` says that it is no longer owed: its invoice is void or was credited. `is_unpaid` says that staff
    marked its invoice uncollectible, and it is still unpaid.
    """

    line_id: int | None
    tax: TaxDecision | None
    is_forgiven: bool = False
    is_unpaid: bool = False


@dataclass(frozen=True, slots=True)
class Reopened:
    """A line of an earlier invoice that gave back some of a fee, of which `amount_minor` is open again.

    Its invoice is not in force any more, so it comes again; or that of the fee is not, so it is charged.
    """

    line_id: int
    number: str
    description: str
    period: Span
    amount_minor: int
    tax: TaxDecision | None
    supplied_on: date
    plan_version_id: int | None
    price_id: int | None


def open_again(given_minor: int, *, stands_minor: int, fee: InvoicedFee) -> int:
    """Return what is open of `given_minor`, below 0, which a line gave back of a fee.

    `stands_minor` is the part of it on documents in force. Nothing is given back of a fee that is unpaid or no longer
    owed.
    """
    open_minor = (0 if fee.is_forgiven else given_minor) - stands_minor
    return max(open_minor, 0) if fee.is_unpaid else open_minor


@dataclass(frozen=True)  # without slots, since periods are computed once
class BillingState:
    """A subscription as its invoice at `boundary` needs it.

    `closes_at` is the boundary's instant, or when the subscription ended.

    `ended_at` is when it ended, if it has; a boundary after that is a last look. `fee` is what was invoiced in
    advance for the closed period, if some of it may be given back. `end_refund` is what the seller gave back
    of fees when it ended. `begun_at` is when the closed period began if that was stored: the one
    before ended then, whatever the calendar of the zone says now. `rates_stretches_alone` is the rule of invoices from
    before included units belonged to the period: each stretch was rated as if it were a period. `reopened` is what is
    open again of fees that were given back, `items` the single items that wait for this invoice.
    """

    subscription_id: UUID | None
    tenant_id: UUID
    currency: str
    time_zone: str
    anchor_at: datetime
    boundary: int
    closes_at: datetime
    is_ending: bool
    phases: tuple[Phase, ...]
    backfill_days: int
    ended_at: datetime | None = None
    fee: InvoicedFee | None = None
    reopened: tuple[Reopened, ...] = ()
    items: tuple[OpenItem, ...] = ()
    rates_stretches_alone: bool = False
    end_refund: FeeRefund = FeeRefund.BY_DAY
    begun_at: datetime | None = None

    @cached_property
    def closed(self) -> Span | None:
        """Return the period whose usage is invoiced; none before the first, and none after the end."""
        if not self.boundary or self._since_end is not None:
            return None
        start = anchored_span(self.anchor_at, self.boundary - 1, self.time_zone).start
        if self.begun_at is not None and abs(self.begun_at - start) < CALENDAR_MOVES_MAX:
            start = self.begun_at
        return Span(start, self.closes_at)

    @cached_property
    def paid(self) -> Span | None:
        """Return the whole period of which `closed` is a part: its fee was charged in advance."""
        return None if self.closed is None else anchored_span(self.anchor_at, self.boundary - 1, self.time_zone)

    @cached_property
    def unused(self) -> Span | None:
        """Return what is left of the paid period after the subscription ended within it."""
        closed, paid = self.closed, self.paid
        return Span(closed.end, paid.end) if closed and paid and closed.end < paid.end else None

    @property
    def fee_refund(self) -> FeeRefund:
        """Return what holds for the closed period: the seller's policy when the subscription ended, or last changed."""
        if self.unused is not None:
            return self.end_refund
        closed = self.closed
        changes = [phase for phase in self.phases if closed and closed.start < phase.starts_at < closed.end]
        return changes[-1].fee_refund if changes else FeeRefund.BY_DAY

    @cached_property
    def has_proration(self) -> bool:
        """Return whether some of the paid period's fee may be given back."""
        return self.unused is not None or len(self._segments) > 1

    @cached_property
    def opened(self) -> Span | None:
        """Return the period whose fee is invoiced in advance; none after the last."""
        return None if self.is_ending else anchored_span(self.anchor_at, self.boundary, self.time_zone)

    @cached_property
    def covered(self) -> Span:
        """Return the period that the invoice is about, for its reader.

        It is the one that was closed, or the first one, or the time since the end.
        """
        return self.closed or self._since_end or self.opened or Span(self.closes_at, self.closes_at)

    @property
    def looks_again_at(self) -> datetime | None:
        """Return when nothing can come late any more, and corrections are looked for a last time.

        Only after the final period.

        If the tenant's window was widened meanwhile, another look follows.
        """
        if self.opened is not None or not self.boundary:
            return None
        looks_at = (self.ended_at or self.closes_at) + timedelta(days=self.backfill_days) + LAST_LOOK_MARGIN
        return looks_at if looks_at > self.closes_at else None

    @property
    def following(self) -> "BillingState | None":
        """Return the state at the next boundary, if nothing happens in between; none after the last."""
        opened, looks_at = self.opened, self.looks_again_at
        if opened is not None:
            later = replace(self, closes_at=opened.end)
        elif looks_at is not None:
            later = replace(self, closes_at=looks_at, ended_at=self.ended_at or self.closes_at)
        else:
            return None
        return replace(later, boundary=self.boundary + 1, fee=None, reopened=(), items=(), begun_at=None)

    @property
    def _since_end(self) -> Span | None:
        """Return the time since the subscription ended; none while it has a period to be invoiced."""
        if self.ended_at is None or self.closes_at <= self.ended_at:
            return None
        return Span(self.ended_at, self.closes_at)

    def version_at(self, instant: datetime) -> SoldVersion:
        """Return the version that holds then; before the first phase, which may begin after midnight, the first."""
        begun = [phase for phase in self.phases if phase.starts_at <= instant]
        return (begun[-1] if begun else self.phases[0]).version

    def segments(self) -> list[tuple[SoldVersion, Span]]:
        """Return the closed period, split at each change of plan. Nothing before the first phase is billed."""
        return self._segments

    def usage_wanted(self) -> list[tuple[SoldVersion, SoldPrice, Span]]:
        """Return which usage is needed: one entry for each line to come."""
        return self._usage_wanted

    @cached_property
    def _segments(self) -> list[tuple[SoldVersion, Span]]:
        closed = self.closed
        if closed is None:
            return []
        start = max(closed.start, self.phases[0].starts_at)
        if start >= closed.end:
            return []
        changes = [phase.starts_at for phase in self.phases if start < phase.starts_at < closed.end]
        borders = [start, *changes, closed.end]
        return [(self.version_at(start), Span(start, end)) for start, end in pairwise(borders)]

    @cached_property
    def _usage_wanted(self) -> list[tuple[SoldVersion, SoldPrice, Span]]:
        return [
            (version, price, span) for version, span in self._segments for price in version.usage_prices(self.currency)
        ]
