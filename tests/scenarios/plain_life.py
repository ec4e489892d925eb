"""What a tenant's life must cost, calculated without the application: plain lists, own dates and prices, fractions.

Written from docs/algorithms (invoicing, rating, periods, tax) and from nothing else; it shares no code with `billing/`,
and none with what verification calculates. It is slow, and as plain as it can be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from zoneinfo import ZoneInfo

GRACE = timedelta(hours=1)
NOTHING = Fraction()


@dataclass(frozen=True)
class PlainPrice:
    """What a meter's usage costs: `tiers` are (end, rate, amount due once), or a package's size, rate, 0."""

    name: str
    model: str
    tiers: tuple[tuple[Fraction | None, Fraction, Fraction], ...]


@dataclass(frozen=True)
class PlainPlan:
    """A fee, and by meter what its usage costs."""

    code: str
    fee: Fraction
    prices: dict[str, PlainPrice]


@dataclass
class PlainEvent:
    """An event, what it adds to which meter, and when it came in and was voided."""

    id: str
    meter: str
    quantity: Fraction
    occurred_at: datetime
    received_at: datetime
    voided_at: datetime | None = None

    def counts_at(self, moment: datetime) -> bool:
        return self.received_at < moment and (self.voided_at is None or self.voided_at >= moment)


@dataclass(frozen=True)
class Phase:
    """From when on which plan; whether the seller gave fees back by the day then."""

    starts_at: datetime
    plan: PlainPlan
    gives_back: bool = True


@dataclass
class Line:
    """An amount with its tax, of which stretch of which period it is.

    `is_of_fee` says that it gives back of the fee in advance; `again` is the line that it brings back or takes back.
    """

    amount: int
    percent: Fraction
    kind: str
    period: int
    stretch: tuple[datetime, datetime, str] | None = None
    is_of_fee: bool = False
    again: "Line | None" = None


@dataclass
class Document:
    """An invoice, and what became of it."""

    boundary: int
    computed_at: datetime
    lines: list[Line]
    carried: int = 0
    gone_at: datetime | None = None
    given_up_at: datetime | None = None

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    def is_gone(self, moment: datetime) -> bool:
        return self.gone_at is not None and self.gone_at < moment

    def is_unpaid(self, moment: datetime) -> bool:
        return self.is_gone(moment) or (self.given_up_at is not None and self.given_up_at < moment)


@dataclass
class PlainLife:
    """Everything that happened to one subscription."""

    zone: str
    digits: int
    anchor: date
    started_at: datetime
    phases: list[Phase]
    taxes: list[tuple[datetime, Fraction]]  # from when on which rate holds for the tenant
    events: list[PlainEvent] = field(default_factory=list)
    gone: dict[int, datetime] = field(default_factory=dict)  # by boundary: void or credited
    given_up: dict[int, datetime] = field(default_factory=dict)  # by boundary: uncollectible
    ended_at: datetime | None = None
    gives_back: bool = True  # when it ended
    days_late: int = 0
    runs: list[datetime] = field(default_factory=list)

    # Time

    def day_start(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)

    def day(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.zone)).date()

    def boundary_day(self, number: int) -> date:
        months = self.anchor.year * 12 + self.anchor.month - 1 + number
        following = date((months + 1) // 12, (months + 1) % 12 + 1, 1)
        first = date(months // 12, months % 12 + 1, 1)
        return min(first + timedelta(days=self.anchor.day - 1), following - timedelta(days=1))

    def closes(self, number: int) -> datetime:
        """Return when boundary `number` comes, the end, or the last look after it."""
        regular = self.day_start(self.boundary_day(number))
        if self.ended_at is None:
            return regular
        last = self.last_period
        if number <= last:
            return regular
        return self.ended_at if number == last + 1 else self.ended_at + timedelta(days=self.days_late + 1)

    @property
    def last_period(self) -> int:
        """Return the number of the period in which it ended."""
        assert self.ended_at is not None
        number = 0
        while self.day_start(self.boundary_day(number + 1)) < self.ended_at:
            number += 1
        return number

    def is_over(self, number: int) -> bool:
        """Return whether boundary `number` opens no period."""
        return self.ended_at is not None and number > self.last_period

    def invoices(self) -> list[Document]:
        """Return each invoice, as it was finalized."""
        documents: list[Document] = []
        for run in self.runs:
            while self.ended_at is None or len(documents) <= self.last_period + 2:
                number = len(documents)
                if self.closes(number) + (GRACE if number else timedelta()) > run:
                    break
                documents.append(self.invoice(number, run, documents))
        return documents

    # One invoice

    def invoice(self, number: int, at: datetime, earlier: Sequence[Document]) -> Document:
        lines = [*self.usage(number, at), *self.changes(number, at, earlier)]
        lines += [line for period in range(number - 1) for line in self.corrections(period, at, earlier)]
        lines += self.given_back_again(at, earlier)
        if not self.is_over(number):
            plan = self.phase_at(self.closes(number)).plan
            lines.append(Line(self.rounded(plan.fee), self.tax(at), "recurring", number))
        document = Document(number, at, [line for line in lines if line.amount])
        credit = sum(one.carried for one in earlier if not one.is_gone(at))
        due = document.subtotal + self.tax_of(document)
        document.carried = max(due - credit, 0) - due
        document.gone_at, document.given_up_at = self.gone.get(number), self.given_up.get(number)
        return document

    def stretches(self, period: int) -> list[tuple[datetime, datetime, PlainPlan]]:
        start, end = max(self.closes(period), self.started_at), self.closes(period + 1)
        cuts = [start, *(phase.starts_at for phase in self.phases if start < phase.starts_at < end), end]
        return [(cuts[n], cuts[n + 1], self.phase_at(cuts[n]).plan) for n in range(len(cuts) - 1)]

    def usage(self, number: int, at: datetime) -> list[Line]:
        if number == 0 or self.is_over(number - 1):
            return []
        return [
            Line(amount, self.tax(at), "usage", number - 1, stretch)
            for stretch, amount in self.costs(number - 1, at).items()
        ]

    def costs(self, period: int, at: datetime) -> dict[tuple[datetime, datetime, str], int]:
        """Return what each stretch of a period costs for each meter, by what is known at a moment."""
        stretches = self.stretches(period)
        found = {}
        for meter in sorted({meter for _, _, plan in stretches for meter in plan.prices}):
            parts = [(start, end, plan.prices[meter]) for start, end, plan in stretches if meter in plan.prices]
            quantities = [self.used(start, end, meter, at) for start, end, _ in parts]
            exact = in_turn([price for _, _, price in parts], quantities)
            so_far: dict[str, Fraction] = {}
            for (start, end, price), amount in zip(parts, exact, strict=True):
                before = so_far.get(price.name, NOTHING)
                so_far[price.name] = before + amount
                found[start, end, meter] = self.rounded(before + amount) - self.rounded(before)
        return found

    def used(self, start: datetime, end: datetime, meter: str, at: datetime) -> Fraction:
        return sum(
            (
                event.quantity
                for event in self.events
                if event.meter == meter and start <= event.occurred_at < end and event.counts_at(at)
            ),
            NOTHING,
        )

    def corrections(self, period: int, at: datetime, earlier: Sequence[Document]) -> list[Line]:
        if self.is_over(period):
            return []
        lines = []
        for stretch, cost in self.costs(period, at).items():
            known = [(one, line) for one in earlier for line in one.lines if line.stretch == stretch]
            standing = [(one, line.amount) for one, line in known if not one.is_gone(at)]
            charged = sum(amount for _, amount in standing)
            forgiven = sum(max(line.amount, 0) for one, line in known if one.is_gone(at))
            # An invoice that was given up is in force, and its charges are unpaid: they are not given back, and what
            # was given back of them is not charged (F4).
            unpaid = sum(max(amount, 0) for one, amount in standing if one.is_unpaid(at))
            correction = max(max(cost - forgiven, 0) - charged, -max(charged - unpaid, 0))
            lines.append(Line(correction, self.tax_of_period(period, earlier), "adjustment", period, stretch))
        return lines

    def tax_of_period(self, period: int, earlier: Sequence[Document]) -> Fraction:
        """Return the tax of a correction: that of what it corrects, on the invoice that closed the period."""
        return self.tax(earlier[period + 1].computed_at)

    def changes(self, number: int, at: datetime, earlier: Sequence[Document]) -> list[Line]:
        """Return shares of fees for changes and an end within the period that is closed."""
        if number == 0 or self.is_over(number - 1):
            return []
        period, stretches = number - 1, self.stretches(number - 1)
        first, last = self.boundary_day(period), self.boundary_day(period + 1)
        ended = min(self.day(self.closes(number)), last)
        fee_document = earlier[period]
        percents = self.tax(fee_document.computed_at), self.tax(at)
        lines: list[Line] = []
        for (_, _, before), (changed_at, _, after) in pairwise(stretches):
            share = Fraction((ended - self.day(changed_at)).days, (last - first).days)
            if share > 0:
                percent = percents[0] if not lines else percents[1]
                back = -self.rounded(before.fee * share)
                lines.append(Line(back, percent, "proration", period, is_of_fee=not lines))
                lines.append(Line(self.rounded(after.fee * share), percents[1], "proration", period))
        is_unpaid = fee_document.is_unpaid(at)
        if lines and is_unpaid:
            lines[0].amount = 0
        is_ended = self.ended_at is not None and self.closes(number) == self.ended_at and ended < last
        gives_back = self.gives_back if is_ended else self.phase_at(stretches[-1][0]).gives_back
        if not gives_back:
            return without_refund(lines)
        if is_ended and not is_unpaid:
            share = Fraction((last - ended).days, (last - first).days)
            back = -self.rounded(stretches[0][2].fee * share)
            lines.append(Line(back, percents[0], "proration", period, is_of_fee=True))
        return lines

    def given_back_again(self, at: datetime, earlier: Sequence[Document]) -> list[Line]:
        """Return fees to give back again because their document is gone, and to take back if the fee's own is gone."""
        # What is brought back goes on from the line that brought it. What a gone document took back is open again.
        done = {
            id(line.again)
            for one in earlier
            for line in one.lines
            if line.again is not None and (line.is_of_fee or not one.is_gone(at))
        }
        lines = []
        for one in earlier:
            for line in one.lines:
                if not line.is_of_fee or id(line) in done:
                    continue
                fee = earlier[line.period]
                if one.is_gone(at) and not fee.is_unpaid(at):
                    again = Line(line.amount, line.percent, "proration", line.period, is_of_fee=True, again=line)
                    lines.append(again)
                elif not one.is_gone(at) and fee.is_gone(at):
                    lines.append(Line(-line.amount, line.percent, "proration", line.period, again=line))
        return lines

    # Money

    def phase_at(self, moment: datetime) -> Phase:
        return [phase for phase in self.phases if phase.starts_at <= max(moment, self.started_at)][-1]

    def tax(self, at: datetime) -> Fraction:
        return [percent for since, percent in self.taxes if since < at][-1]

    def tax_of(self, document: Document) -> int:
        percents = sorted({line.percent for line in document.lines})
        bases = [sum(line.amount for line in document.lines if line.percent == percent) for percent in percents]
        return sum(
            self.rounded(Fraction(base, 10**self.digits) * percent / 100)
            for base, percent in zip(bases, percents, strict=True)
        )

    def rounded(self, amount: Fraction) -> int:
        minor = floor(abs(amount) * 10**self.digits + Fraction(1, 2))
        return minor if amount >= 0 else -minor


def without_refund(lines: list[Line]) -> list[Line]:
    """Keep what the lines would give back together, of the last line first."""
    too_much = max(-sum(line.amount for line in lines), 0)
    for line in reversed(lines):
        kept = min(too_much, max(-line.amount, 0))
        line.amount += kept
        too_much -= kept
    return lines


def in_turn(prices: Sequence[PlainPrice], quantities: Sequence[Fraction]) -> list[Fraction]:
    """Return what stretches of one period cost exactly, each from where the one before has come to."""
    place = paid_once = in_packages = NOTHING
    costs = []
    for price, quantity in zip(prices, quantities, strict=True):
        end = place + quantity
        cost = asked = NOTHING
        if quantity and price.model == "volume":
            _, rate, asked = next(tier for tier in price.tiers if tier[0] is None or sum(quantities) <= tier[0])
            cost = quantity * rate
        elif quantity and price.model == "package":
            size, rate, _ = price.tiers[0]
            assert size is not None
            begun = max(place, in_packages)
            count = max(ceil((end - begun) / size), 0)
            in_packages = begun + count * size if count else in_packages
            cost = count * rate
        elif quantity:
            start = NOTHING
            for tier_end, rate, once in price.tiers:
                if start < end:
                    top = end if tier_end is None else min(end, tier_end)
                    cost += max(top - max(start, place), NOTHING) * rate
                    asked += once
                    start = top if tier_end is None or tier_end > end else tier_end
        due = max(asked - paid_once, NOTHING)
        paid_once += due
        place = end
        costs.append(cost + due)
    return costs
