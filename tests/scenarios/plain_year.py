"""What a year must cost, calculated without the application: own dates, prices and fractions, a list of events.

It shares no code with `billing/` or `metering/`; it is slow, and as plain as it can be. Periods begin at midnight,
which exists on every day of the zones that the scenarios use.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from zoneinfo import ZoneInfo

GRACE = timedelta(hours=1)


@dataclass
class PlainMeter:
    """One meter in one period while its stretches are charged in turn: so many units in all, so many before."""

    in_all: Fraction
    before: Fraction = Fraction()
    once: Fraction = Fraction()  # what was paid of amounts that are due once
    packed: Fraction = Fraction()  # the units up to here are in packages that were begun
    by_price: dict["Cost", Fraction] = field(default_factory=dict)  # what each price came to, exactly

    def pay_once(self, asked: Fraction) -> Fraction:
        """Charge what exceeds the highest amount so far."""
        due = max(asked - self.once, Fraction())
        self.once += due
        return due


Cost = Callable[[PlainMeter, Fraction], Fraction]


@dataclass(frozen=True)
class PlainPlan:
    """A fee, and by meter what a quantity costs."""

    code: str
    fee: Fraction
    costs: dict[str, Cost]


@dataclass
class PlainEvent:
    """An event, what it adds to which meter, and when it came in and was voided."""

    id: str
    type: str
    occurred_at: datetime
    received_at: datetime
    adds: dict[str, Fraction]
    voided_at: datetime | None = None

    def counts_at(self, moment: datetime) -> bool:
        return self.received_at < moment and (self.voided_at is None or self.voided_at >= moment)


@dataclass
class PlainLine:
    """A line of usage with everything that was invoiced of it."""

    period: int
    start: datetime
    end: datetime
    meter: str
    cost: Cost
    quantity: Fraction
    events: int
    amount: int


@dataclass(frozen=True)
class PlainInvoice:
    """Amounts in the smallest unit, those of the lines in their order."""

    amounts: tuple[int, ...]
    subtotal: int
    tax: int


@dataclass
class PlainYear:
    """Everything that happened to one subscription."""

    zone: str
    digits: int
    anchor: date
    started_at: datetime
    tax_percent: Fraction
    phases: list[tuple[datetime, PlainPlan]] = field(default_factory=list)
    events: list[PlainEvent] = field(default_factory=list)
    ends_at_boundary: int | None = None
    days_late: int = 0  # how late usage may come

    def boundary(self, number: int) -> datetime:
        """Return midnight of the anchor's day, so many months later, or of the last day of a shorter month.

        After the end comes one more, a day after the last late event can come in.
        """
        if self.ends_at_boundary is not None and number > self.ends_at_boundary:
            return self.boundary(self.ends_at_boundary) + timedelta(days=self.days_late + 1)
        return datetime.combine(self.boundary_day(number), time(), ZoneInfo(self.zone)).astimezone(UTC)

    def boundary_day(self, number: int) -> date:
        months = self.anchor.year * 12 + self.anchor.month - 1 + number
        first, following = date(months // 12, months % 12 + 1, 1), date((months + 1) // 12, (months + 1) % 12 + 1, 1)
        return min(first.replace(day=1) + timedelta(days=self.anchor.day - 1), following - timedelta(days=1))

    def invoices(self, runs: Sequence[datetime]) -> list[PlainInvoice]:
        """Return each invoice, if invoicing ran at these moments."""
        invoices: list[PlainInvoice] = []
        known: list[PlainLine] = []
        carried = 0
        for number, computed_at in enumerate(self.computed_at(runs)):
            invoice, carried = self._invoice(number, computed_at, known, carried)
            invoices.append(invoice)
        return invoices

    def computed_at(self, runs: Sequence[datetime]) -> list[datetime]:
        """Return when each boundary's invoice is finalized: at the first run after its grace, one after the other."""
        moments: list[datetime] = []
        for run in runs:
            while self.ends_at_boundary is None or len(moments) <= self.ends_at_boundary + 1:
                if self.boundary(len(moments)) + (GRACE if moments else timedelta()) > run:
                    break
                moments.append(run)
        return moments

    def _invoice(
        self, number: int, computed_at: datetime, known: list[PlainLine], carried: int
    ) -> tuple[PlainInvoice, int]:
        earlier = list(known)
        amounts = self._usage(number, computed_at, known) + self._proration(number)
        amounts += self._corrections(earlier, computed_at)
        if not self._is_over(number):
            amounts.append(self._rounded(self._plan_at(self.boundary(number)).fee))
        subtotal = sum(amounts)
        sign = -1 if subtotal < 0 else 1
        tax = sign * self._rounded(Fraction(sign * subtotal, 10**self.digits) * self.tax_percent / 100)
        if carried:
            amounts.append(-carried)
        left = max(0, -(subtotal + tax - carried))
        if left:
            amounts.append(left)
        return PlainInvoice(tuple(amounts), subtotal, tax), left

    def _is_over(self, number: int) -> bool:
        return self.ends_at_boundary is not None and number >= self.ends_at_boundary

    def _segments(self, number: int) -> list[tuple[datetime, datetime, PlainPlan]]:
        """Return the period before a boundary, cut at changes of plan."""
        if number == 0 or self._is_over(number - 1):
            return []
        start, end = max(self.boundary(number - 1), self.started_at), self.boundary(number)
        cuts = [start, *(at for at, _ in self.phases if start < at < end), end]
        return [(cuts[n], cuts[n + 1], self._plan_at(cuts[n])) for n in range(len(cuts) - 1)]

    def _plan_at(self, moment: datetime) -> PlainPlan:
        return [plan for at, plan in self.phases if at <= moment][-1]

    def _usage(self, number: int, computed_at: datetime, known: list[PlainLine]) -> list[int]:
        lines = []
        for start, end, plan in self._segments(number):
            for meter in sorted(plan.costs):
                used = self._used(start, end, meter, computed_at)
                lines.append(PlainLine(number, start, end, meter, plan.costs[meter], *used, amount=0))
        for line, amount in zip(lines, self._charges(lines), strict=True):
            line.amount = amount
        known += lines
        return [line.amount for line in lines]

    def _charges(self, lines: Sequence[PlainLine]) -> list[int]:
        """Return the cost of each line: those of one meter in one period one after the other, whatever the plan."""
        meters: dict[tuple[int, str], PlainMeter] = {}
        for line in lines:
            meters.setdefault((line.period, line.meter), PlainMeter(Fraction())).in_all += line.quantity
        amounts = []
        for line in lines:
            meter = meters[line.period, line.meter]
            cost = line.cost(meter, line.quantity)
            meter.before += line.quantity
            earlier = meter.by_price.get(line.cost, Fraction())
            meter.by_price[line.cost] = earlier + cost
            amounts.append(self._rounded(earlier + cost) - self._rounded(earlier))
        return amounts

    def _used(self, start: datetime, end: datetime, meter: str, computed_at: datetime) -> tuple[Fraction, int]:
        added = [
            event.adds[meter]
            for event in self.events
            if meter in event.adds and start <= event.occurred_at < end and event.counts_at(computed_at)
        ]
        return sum(added, Fraction()), len(added)

    def _proration(self, number: int) -> list[int]:
        segments = self._segments(number)
        amounts = []
        for (_, _, before), (changed_at, _, after) in pairwise(segments):
            last_day = self.boundary_day(number)
            rest = (last_day - changed_at.astimezone(ZoneInfo(self.zone)).date()).days
            share = Fraction(rest, (last_day - self.boundary_day(number - 1)).days)
            amounts += [-self._rounded(before.fee * share), self._rounded(after.fee * share)]
        return amounts

    def _corrections(self, lines: Sequence[PlainLine], computed_at: datetime) -> list[int]:
        """Return the corrections of lines whose usage has changed, and those that follow from these."""
        changed = []
        for line in lines:
            before = line.quantity, line.events
            line.quantity, line.events = self._used(line.start, line.end, line.meter, computed_at)
            changed.append((line.quantity, line.events) != before)
        corrections = []
        for line, is_changed, amount in zip(lines, changed, self._charges(lines), strict=True):
            if is_changed or amount != line.amount:
                corrections.append(amount - line.amount)
            line.amount = amount
        return corrections

    def _rounded(self, amount: Fraction) -> int:
        assert amount >= 0, "signs are put on later"
        return floor(amount * 10**self.digits + Fraction(1, 2))


def each(rate: str) -> Cost:
    """Charge each unit alike."""
    return lambda _, quantity: quantity * Fraction(rate)


def steps(*tiers: tuple[int | None, str, str]) -> Cost:
    """Charge each unit at the rate of the step of its place in the period, with flat amounts once entered.

    A tier: its end, its rate, its flat amount.
    """

    def up_to(place: Fraction) -> tuple[Fraction, Fraction]:
        units, flats, start = Fraction(), Fraction(), Fraction()
        for end, rate, flat in tiers:
            if place <= start:
                break
            top = place if end is None else min(place, Fraction(end))
            units += (top - start) * Fraction(rate)
            flats += Fraction(flat)
            start = top
        return units, flats

    def cost(meter: PlainMeter, quantity: Fraction) -> Fraction:
        units, flats = up_to(meter.before + quantity)
        return units - up_to(meter.before)[0] + (meter.pay_once(flats) if quantity else 0)

    return cost


def all_at(*tiers: tuple[int | None, str]) -> Cost:
    """Charge all units at the rate of the step in which the period's quantity ends."""

    def cost(meter: PlainMeter, quantity: Fraction) -> Fraction:
        return quantity * Fraction(next(rate for end, rate in tiers if end is None or meter.in_all <= end))

    return cost


def packs(size: int, price: str) -> Cost:
    """Charge by the begun package, after those that were begun before are used up."""

    def cost(meter: PlainMeter, quantity: Fraction) -> Fraction:
        full_at = max(meter.before, meter.packed)
        begun = max(0, ceil((meter.before + quantity - full_at) / size))
        if begun:
            meter.packed = full_at + begun * size
        return begun * Fraction(price)

    return cost


def once(price: str) -> Cost:
    """Charge a flat price, once a period, if there was any usage."""
    return lambda meter, quantity: meter.pay_once(Fraction(price)) if quantity else Fraction()
