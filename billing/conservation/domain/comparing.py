"""Comparison of a subscription's documents with the amounts of its periods. Pure; a selector fills the values.

`docs/algorithms/invoicing.md`, section V, V6 to V9.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.conservation.domain.calendar import boundary, day_of
from billing.conservation.domain.costs import Tariff, cost_of_stretches, fee_parts, rounded

FEE: Final = 0  # in place of a meter's id
USAGE_KINDS: Final = frozenset({"usage", "adjustment"})
FEE_KINDS: Final = frozenset({"recurring", "proration"})


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan version in the currency of a subscription: its fee, and its tariffs by meter."""

    fee: Fraction
    tariffs: Mapping[int, Tariff]


@dataclass(frozen=True, slots=True)
class Stage:
    """An offer that the subscription is on from `starts_at`; `gives_back` is the seller's policy of that time."""

    starts_at: datetime
    offer: Offer
    gives_back: bool = True


@dataclass(frozen=True, slots=True)
class Booked:
    """A line of an issued document.

    `gone_at` is when it stopped counting, `given_up_at` when it was written off, if it was unpaid at the latest
    invoice.

    `forgiven_minor` is the used amount that a refunding line does not charge.
    """

    boundary: int
    kind: str
    meter_id: int
    start: datetime
    end: datetime
    amount_minor: int
    gone_at: datetime | None = None
    given_up_at: datetime | None = None
    forgiven_minor: int = 0


@dataclass(frozen=True, slots=True)
class Credited:
    """What a credit note took back of the usage of a stretch, and what stood of that then."""

    meter_id: int
    start: datetime
    end: datetime
    amount_minor: int
    stood_minor: int
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A credit note over a whole invoice that nothing replaced, from before invoices could be issued again."""

    number: str
    reason: str


@dataclass(frozen=True)  # without slots, since its stretches are computed once
class Life:
    """A subscription up to its latest invoice, at boundary `reached`; `computed_at` has the times by boundary.

    `taken_back` has the credit notes by the boundary of their invoice.
    """

    zone: str
    digits: int
    anchor: datetime
    reached: int
    stages: Sequence[Stage]
    lines: Sequence[Booked]
    computed_at: Mapping[int, datetime]
    ended_at: datetime | None = None
    gives_back: bool = True
    credits: Sequence[Credited] = ()
    taken_back: Mapping[int, TakenBack] = field(default_factory=dict)

    @cached_property
    def stretches(self) -> "list[PeriodStretch]":
        """Return the stretches of the periods that have an invoice, in their order."""
        return stretches_of(self)


@dataclass(frozen=True, slots=True)
class PeriodStretch:
    """A part of a period on one offer."""

    period: int
    start: datetime
    end: datetime
    offer: Offer


@dataclass(frozen=True, slots=True)
class Imbalance:
    """The documented and the expected amount of a meter, or the fee, for the days of one period."""

    period: int
    first: date
    last: date
    meter_id: int
    right_minor: int
    found_minor: int


@dataclass(frozen=True, slots=True)
class Unbilled:
    """An amount that was supplied in the days of a period and that a credit note took back for good."""

    first: date
    last: date
    meter_id: int
    amount_minor: int
    taken_back: TakenBack


@dataclass(frozen=True, slots=True)
class Lived:
    """A subscription's life with its tenant, the numbers of its invoices by boundary, and the codes of its meters."""

    tenant_id: UUID
    slug: str
    currency: str
    life: Life
    numbers: Mapping[int, str]
    meters: Mapping[int, str]

    def number_of(self, boundary: int) -> str:
        """Return the number of the invoice of a boundary, or of the nearest one before."""
        return self.numbers[max(number for number in self.numbers if number <= boundary)]


@dataclass(frozen=True, slots=True)
class PartedTax:
    """A line that corrects a line of invoice `corrected` and has another tax rate, or none although that had one."""

    number: str
    position: int
    percent: Decimal
    corrected: str
    corrected_percent: Decimal


@dataclass(frozen=True, slots=True)
class Unbalanced:
    """The imbalances of a life, its lines for spans that the calendar does not have, and what was not billed again."""

    lived: Lived
    imbalances: Sequence[Imbalance]
    misplaced: Sequence[Booked]
    unbilled: Sequence[Unbilled] = ()


Usage = Mapping[tuple[int, datetime, datetime], Fraction]


def stretches_of(life: Life) -> list[PeriodStretch]:
    """List the stretches of the periods that have an invoice, in their order."""
    zone = ZoneInfo(life.zone)
    found = []
    for period in range(life.reached):
        start, end = boundary(life.anchor, period, zone), boundary(life.anchor, period + 1, zone)
        start = max(start, life.stages[0].starts_at)  # earlier usage is free
        if life.ended_at is not None:
            end = min(end, life.ended_at)
        if start >= end:
            break
        cuts = [start, *(stage.starts_at for stage in life.stages if start < stage.starts_at < end), end]
        found += [PeriodStretch(period, *span, _stage_at(life, span[0]).offer) for span in pairwise(cuts)]
    return found


def imbalances(life: Life, usage: Usage) -> Iterator[Imbalance]:
    """Yield each meter and period, and each period's fee, whose documented amount differs from the expected one.

    `usage` has the quantity of each meter and stretch; a missing one is 0.
    """
    periods = _periods_of(life)
    booked = _by_period(life, periods)
    for period, stretches in periods.items():
        usage_lines = [line for line in booked[period] if line.kind in USAGE_KINDS]
        meters = {meter for stretch in stretches for meter in stretch.offer.tariffs}
        for meter in sorted(meters | {line.meter_id for line in usage_lines}):
            lines = [line for line in usage_lines if line.meter_id == meter]
            yield from _unless_equal(life, stretches, meter, _usage_right(life, stretches, meter, usage, lines), lines)
        fees = [line for line in booked[period] if line.kind in FEE_KINDS]
        yield from _unless_equal(life, stretches, FEE, _fee_right(life, stretches, fees), fees)


def misplaced(life: Life) -> Iterator[Booked]:
    """Yield lines of usage whose stretch is not in the calendar."""
    right = {(meter, one.start, one.end) for one in life.stretches for meter in one.offer.tariffs}
    for line in life.lines:
        if line.kind in USAGE_KINDS and (line.meter_id, line.start, line.end) not in right:
            yield line


def unbilled(life: Life, usage: Usage) -> Iterator[Unbilled]:
    """Yield what the events and plans of a period cost, whole credit notes took back, and no document in force charges.

    Whether the customer was forgiven or should have been billed again is not stored of those: staff have to say.
    """
    if not life.taken_back:
        return
    periods = _periods_of(life)
    booked = _by_period(life, periods)
    for period, stretches in periods.items():
        lost = [line for line in booked[period] if line.boundary in life.taken_back and line.amount_minor > 0]
        for meter in sorted({line.meter_id for line in lost}):
            own = [line for line in booked[period] if line.meter_id == meter]
            costs = _parts_of_fee(life, stretches) if meter == FEE else _costs(life, stretches, meter, usage)
            short_minor = sum(costs) - sum(line.amount_minor for line in own if _counts(life, line))
            took = [line for line in lost if line.meter_id == meter]
            amount_minor = min(sum(line.amount_minor for line in took), short_minor)
            if amount_minor > 0:
                days = _days(life, stretches, ZoneInfo(life.zone))
                yield Unbilled(*days, meter, amount_minor, life.taken_back[took[0].boundary])


def _periods_of(life: Life) -> dict[int, list[PeriodStretch]]:
    periods: dict[int, list[PeriodStretch]] = defaultdict(list)
    for stretch in life.stretches:
        periods[stretch.period].append(stretch)
    return periods


def _by_period(life: Life, periods: Mapping[int, Sequence[PeriodStretch]]) -> dict[int, list[Booked]]:
    """Group lines by the period of their days; a fee for a future period is in none of them."""
    zone = ZoneInfo(life.zone)
    days = [(number, *_days(life, stretches, zone)) for number, stretches in periods.items()]
    booked: dict[int, list[Booked]] = defaultdict(list)
    for line in life.lines:
        day = day_of(line.start, zone)
        for number, first, last in days:
            if first <= day <= last:
                booked[number].append(line)
                break
    return booked


def _days(life: Life, stretches: Sequence[PeriodStretch], zone: ZoneInfo) -> tuple[date, date]:
    """Return the first and the last day of a whole period, even if its subscription ended before."""
    period = stretches[0].period
    after = day_of(boundary(life.anchor, period + 1, zone), zone)
    return day_of(stretches[0].start, zone), date.fromordinal(after.toordinal() - 1)


def _usage_right(
    life: Life, stretches: Sequence[PeriodStretch], meter: int, usage: Usage, lines: Sequence[Booked]
) -> int:
    """Return the expected amount of usage. Forgiven usage is not charged again, and refunds never exceed charges."""
    priced = [stretch for stretch in stretches if meter in stretch.offer.tariffs]
    costs = _costs(life, stretches, meter, usage)
    right = 0
    for stretch, cost in zip(priced, costs, strict=True):
        own = [line for line in lines if (line.start, line.end) == (stretch.start, stretch.end)]
        owed = max(cost - _forgiven(life, own), 0)
        owed += _kept_of_credit(life, (meter, stretch.start, stretch.end), owed)
        stands = sum(line.amount_minor for line in own if _counts(life, line))
        # A written-off amount stays although less is owed: only the amount that the customer paid is refunded.
        right += stands if owed < stands <= _given_up(life, own) else owed
    return right


def _costs(life: Life, stretches: Sequence[PeriodStretch], meter: int, usage: Usage) -> list[int]:
    return cost_of_stretches(
        [
            (stretch.offer.tariffs[meter], usage.get((meter, stretch.start, stretch.end), Fraction()))
            for stretch in stretches
            if meter in stretch.offer.tariffs
        ],
        life.digits,
    )


def _kept_of_credit(life: Life, key: tuple[int, datetime, datetime], owed: int) -> int:
    """Return what of a credit in part usage that went away has eaten up: so much less is given back of it.

    `owed` is what the lines must come to without any credit.
    """
    at = life.computed_at[life.reached]
    known = [one for one in life.credits if (one.meter_id, one.start, one.end) == key and one.issued_at <= at]
    kept = credit = 0
    for one in known:
        # Of this credit as much is eaten up as is lacking to what stood, lines less earlier credits.
        lacking = one.stood_minor - credit - (owed + kept - credit)
        kept += min(max(lacking, 0), one.amount_minor)
        credit += one.amount_minor
    return kept


def _fee_right(life: Life, stretches: Sequence[PeriodStretch], lines: Sequence[Booked]) -> int:
    period = stretches[0].period
    closed_at = life.computed_at.get(period + 1)
    fee_lines = [line for line in lines if line.kind == "recurring"]
    is_owed = all(_counts(life, line) and not _was_given_up(line, closed_at) for line in fee_lines)
    owed = sum(_parts_of_fee(life, stretches, is_owed=is_owed))
    return owed - _forgiven(life, lines) + _rests_gone(life, period, lines)


def _parts_of_fee(life: Life, stretches: Sequence[PeriodStretch], *, is_owed: bool = True) -> tuple[int, int]:
    """Return the fee that a period began with, and what changes and an end add to it."""
    zone = ZoneInfo(life.zone)
    first, last = _days(life, stretches, zone)
    is_ended = life.ended_at is not None and stretches[-1].end == life.ended_at
    parts = fee_parts(
        [((day_of(stretch.start, zone) - first).days, stretch.offer.fee) for stretch in stretches],
        days=(last - first).days + 1,
        ended=(day_of(stretches[-1].end, zone) - first).days,
        gives_back=life.gives_back if is_ended else _stage_at(life, stretches[-1].start).gives_back,
        is_owed=is_owed,
        digits=life.digits,
    )
    return rounded(stretches[0].offer.fee, life.digits), parts


def _rests_gone(life: Life, period: int, lines: Sequence[Booked]) -> int:
    """Return refunds, in documents not in force, of a rest that the same document charged: they do not recur.

    The first proration of a document refunds the fee, and so does one that begins when the subscription ended.
    """
    closing = [line for line in lines if line.kind == "proration" and line.boundary == period + 1]
    gone = [line for line in closing[1:] if not _counts(life, line) and line.start != life.ended_at]
    return sum(max(-line.amount_minor, 0) for line in gone)


def _was_given_up(line: Booked, closed_at: datetime | None) -> bool:
    return closed_at is not None and line.given_up_at is not None and line.given_up_at <= closed_at


def _given_up(life: Life, lines: Sequence[Booked]) -> int:
    at = life.computed_at[life.reached]
    return sum(max(line.amount_minor, 0) for line in lines if _counts(life, line) and _was_given_up(line, at))


def _forgiven(life: Life, lines: Sequence[Booked]) -> int:
    """Return the forgiven amount: charges that no longer count, less refunds that no longer count."""
    gone = sum(max(line.amount_minor, 0) for line in lines if not _counts(life, line))
    return gone + sum(line.forgiven_minor for line in lines if _counts(life, line))


def _unless_equal(
    life: Life, stretches: Sequence[PeriodStretch], meter: int, right_minor: int, lines: Sequence[Booked]
) -> Iterator[Imbalance]:
    found_minor = sum(line.amount_minor for line in lines if _counts(life, line))
    if found_minor != right_minor:
        yield Imbalance(
            stretches[0].period, *_days(life, stretches, ZoneInfo(life.zone)), meter, right_minor, found_minor
        )


def _counts(life: Life, line: Booked) -> bool:
    return line.gone_at is None or line.gone_at > life.computed_at[life.reached]


def _stage_at(life: Life, moment: datetime) -> Stage:
    return [stage for stage in life.stages if stage.starts_at <= moment][-1]
