"""What a tenant's life must cost, calculated without the application: plain lists, own dates and prices, fractions.

Written from docs/algorithms (invoicing, rating, periods, tax) and from nothing else; it shares no code with `billing/`,
and none with what verification calculates. It is slow, and as plain as it can be.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise
from math import floor
from zoneinfo import ZoneInfo

from tests.scenarios.plain_prices import NOTHING, PlainPlan, in_turn, shared_out

GRACE = timedelta(hours=1)
Stretch = tuple[datetime, datetime, str]


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


@dataclass(eq=False)
class Line:
    """An amount with its tax, of which stretch of which period it is.

    `corrects` is the line that it looks back to, whose tax it bears. `fee` is the fee of which it gives back a share:
    `given` is how much it should, also if nothing of it is given back while the fee is unpaid. `again` is the line that
    it brings back or takes back.
    """

    amount: int
    percent: Fraction
    kind: str
    period: int
    stretch: Stretch | None = None
    corrects: "Line | None" = None
    fee: "Line | None" = None
    given: int = 0
    again: "Line | None" = None
    credited: int = 0


@dataclass(frozen=True)
class Saying:
    """What a document said on the day of its issue: amounts with their rates, subtotal, tax and total."""

    amounts: Counter[tuple[int, Fraction]]
    subtotal: int
    tax: int
    total: int


@dataclass(eq=False)
class Document:
    """An invoice, or the last one that was issued in its place, and its outcome."""

    boundary: int
    computed_at: datetime
    lines: list[Line]
    carried: int = 0
    taken: int = 0
    is_gone: bool = False
    is_given_up: bool = False
    credited: int = 0
    said: list[Saying] = field(default_factory=list)

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    def lines_of(self, stretch: Stretch) -> list[Line]:
        return [line for line in self.lines if line.stretch == stretch]

    @property
    def is_unpaid(self) -> bool:
        return self.is_gone or self.is_given_up


@dataclass(frozen=True)
class Step:
    """What staff or a payment do to the document of a boundary: void, give up, pay, issue again, or credit some of it.

    `amount` is without tax, over the whole, or of the line that is `nth` of those that charge something.
    """

    at: datetime
    kind: str
    boundary: int
    amount: int = 0
    nth: int | None = None


@dataclass(frozen=True)
class Note:
    """A credit note in part."""

    boundary: int
    amounts: tuple[int, ...]
    tax: int
    total: int


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
    steps: list[Step] = field(default_factory=list)
    ended_at: datetime | None = None
    gives_back: bool = True  # when it ended
    days_late: int = 0
    runs: list[datetime] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    credits: dict[Stretch, list[tuple[int, int]]] = field(default_factory=dict)  # amount, and what stood net of others

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

    def live(self) -> None:
        """Write every document in the order of time, and do to each what was done to it."""
        steps = sorted(self.steps, key=lambda step: step.at)
        for run in self.runs:
            while steps and steps[0].at < run:
                self.take(steps.pop(0))
            while self.ended_at is None or len(self.documents) <= self.last_period + 2:
                number = len(self.documents)
                if self.closes(number) + (GRACE if number else timedelta()) > run:
                    break
                self.documents.append(self.invoice(number, run))
        for step in steps:
            self.take(step)

    # One invoice

    def invoice(self, number: int, at: datetime) -> Document:
        lines = [*self.usage(number, at), *self.changes(number, at), *self.given_back_again()]
        lines += [line for period in range(number - 1) for line in self.corrections(period, at)]
        if not self.is_over(number):
            plan = self.phase_at(self.closes(number)).plan
            lines.append(Line(self.rounded(plan.fee), self.tax(at), "recurring", number))
        document = Document(number, at, lines)
        self.settle(document, sum(one.carried for one in self.documents if not one.is_gone))
        return document

    def settle(self, document: Document, credit: int) -> None:
        """Take credit off after tax, and carry over what is left of it. Credit below 0 is owed (R3)."""
        due = document.subtotal + self.tax_of(document)
        document.taken = credit
        document.carried = max(due - credit, 0) - due
        amounts = Counter((line.amount, line.percent) for line in document.lines if line.amount)
        tax = self.tax_of(document)
        document.said.append(Saying(amounts, document.subtotal, tax, document.subtotal + tax + document.carried))

    def stretches(self, period: int) -> list[tuple[datetime, datetime, PlainPlan]]:
        start, end = max(self.closes(period), self.started_at), self.closes(period + 1)
        cuts = [start, *(phase.starts_at for phase in self.phases if start < phase.starts_at < end), end]
        return [(cuts[n], cuts[n + 1], self.phase_at(cuts[n]).plan) for n in range(len(cuts) - 1)]

    def usage(self, number: int, at: datetime) -> list[Line]:
        if number == 0 or self.is_over(number - 1):
            return []
        costs = sorted(self.costs(number - 1, at).items())
        return [Line(amount, self.tax(at), "usage", number - 1, stretch) for stretch, amount in costs]

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

    def corrections(self, period: int, at: datetime) -> list[Line]:
        if self.is_over(period):
            return []
        lines = []
        for stretch, cost in sorted(self.costs(period, at).items()):
            known = [(one, line) for one in self.documents for line in one.lines if line.stretch == stretch]
            [root] = [line for _, line in known if line.kind == "usage"]
            stands = self.stood(stretch)
            forgiven = sum(max(line.amount, 0) for one, line in known if one.is_gone)
            # An invoice that was given up is in force, and its charges are unpaid: they are not given back, and what
            # was given back of them is not charged (F4).
            unpaid = sum(
                max(line.amount - line.credited, 0) for one, line in known if one.is_given_up and not one.is_gone
            )
            owed = max(cost - forgiven, 0)
            for credit, stood in self.credits.get(
                stretch, []
            ):  # usage that goes away is taken out of each credit first (C4)
                owed -= min(max(owed - (stood - credit), 0), credit)
            correction = max(owed - stands, -max(stands - unpaid, 0))
            lines.append(Line(correction, root.percent, "adjustment", period, stretch, corrects=root))
        return lines

    def stands(self, stretch: Stretch) -> int:
        """Return what is charged for a stretch by documents in force."""
        return sum(line.amount for one in self.documents if not one.is_gone for line in one.lines_of(stretch))

    def changes(self, number: int, at: datetime) -> list[Line]:
        """Return shares of fees for changes and an end within the period that is closed."""
        if number == 0 or self.is_over(number - 1):
            return []
        period, stretches = number - 1, self.stretches(number - 1)
        first, last = self.boundary_day(period), self.boundary_day(period + 1)
        ended = min(self.day(self.closes(number)), last)
        fee_document = self.documents[period]
        [fee] = [line for line in fee_document.lines if line.kind == "recurring"]
        lines: list[Line] = []
        for (_, _, before), (changed_at, _, after) in pairwise(stretches):
            share = Fraction((ended - self.day(changed_at)).days, (last - first).days)
            if share > 0:
                back, rest = -self.rounded(before.fee * share), self.rounded(after.fee * share)
                lines.append(Line(back, self.tax(at), "proration", period) if lines else given_back(fee, back))
                lines.append(Line(rest, self.tax(at), "proration", period))
        is_ended = self.ended_at is not None and self.closes(number) == self.ended_at and ended < last
        gives_back = self.gives_back if is_ended else self.phase_at(stretches[-1][0]).gives_back
        if not gives_back:
            without_refund(lines)
        elif is_ended:
            share = Fraction((last - ended).days, (last - first).days)
            lines.append(given_back(fee, -self.rounded(stretches[0][2].fee * share)))
        for line in lines:
            if line.fee is not None and fee_document.is_unpaid:
                # Of a fee that is unpaid the share comes once it is paid (F4); of one that is not owed, never.
                line.given = 0 if fee_document.is_gone else line.amount
                line.amount = 0
            else:
                line.given = line.amount
        return lines

    def given_back_again(self) -> list[Line]:
        """Return shares of fees that are open again: their document is gone, or the fee's own is gone or was paid."""
        lines = []
        for one in self.documents:
            for share in one.lines:
                if share.fee is None:
                    continue
                fee = self.documents[share.period]
                stands = 0 if one.is_gone else share.amount
                stands += sum(line.amount for other in self.in_force for line in other.lines if line.again is share)
                is_open = (0 if fee.is_gone else share.given) - stands
                if is_open > 0 or (is_open < 0 and not fee.is_given_up):
                    again = Line(is_open, share.percent, "proration", share.period, corrects=share, again=share)
                    lines.append(again)
        return lines

    # What becomes of documents

    @property
    def in_force(self) -> list[Document]:
        return [one for one in self.documents if not one.is_gone]

    def take(self, step: Step) -> None:
        document = self.documents[step.boundary]
        if step.kind == "again":
            self.issue_again(document, step.at)
        elif step.kind == "credit some":
            self.credit_some(document, step)
        elif step.kind == "gone":
            document.is_gone = True
        else:
            document.is_given_up = step.kind == "give up"

    def issue_again(self, document: Document, at: datetime) -> None:
        """Write the same lines with the taxes that follow now (R1 to R3), and so each later one that corrects them."""
        concerned = [document]
        for one in self.documents[document.boundary + 1 :]:
            looks_back = [line for line in one.lines if line.amount and line.corrects is not None]
            if not one.is_gone and any(
                line.percent != self.tax_again(line.corrects, concerned, at) for line in looks_back if line.corrects
            ):
                concerned.append(one)
        before = [(one, one.carried, [line.percent for line in one.lines]) for one in concerned]
        for one in concerned:
            for line in one.lines:
                line.percent = self.tax(at) if line.corrects is None else line.corrects.percent
            self.settle(one, one.taken)
        is_short = sum(carried for _, carried, _ in before) > sum(one.carried for one in concerned)
        if any(one.credited for one in concerned) or (is_short and not self.is_followed(at)):
            for one, carried, percents in before:
                one.said.pop()
                one.carried = carried
                for line, percent in zip(one.lines, percents, strict=True):
                    line.percent = percent
            return
        for one in concerned:
            one.is_given_up = False

    def tax_again(self, line: Line, concerned: Sequence[Document], at: datetime) -> Fraction:
        """Return the tax that a line bears once these documents are issued again."""
        if not any(line in one.lines for one in concerned):
            return line.percent
        return self.tax(at) if line.corrects is None else self.tax_again(line.corrects, concerned, at)

    def is_followed(self, at: datetime) -> bool:
        """Return whether an invoice is still to come: nothing has looked at the last boundary."""
        return self.ended_at is None or self.ended_at > at or len(self.documents) < self.last_period + 3

    def credit_some(self, document: Document, step: Step) -> None:
        """Credit an amount over all lines, or some of one line, if as much is left of it (C1, C2)."""
        charging = [line for line in document.lines if line.amount > 0]
        left = {line: self.left_of(document, line) for line in charging}
        bases = {percent: self.base_left(document, percent) for percent in {line.percent for line in charging}}
        percents = list(dict.fromkeys(line.percent for line in charging if left[line]))
        of_percent = {
            percent: [line for line in charging if left[line] and line.percent == percent] for percent in percents
        }
        most = {percent: min(bases[percent], sum(left[line] for line in of_percent[percent])) for percent in percents}
        if step.nth is not None:
            line = charging[step.nth % len(charging)]
            if step.amount > min(left[line], bases[line.percent]):
                return
            amounts = {line: step.amount}
        else:
            if step.amount > sum(most.values()):
                return
            parts = shared_out(step.amount, [most[percent] for percent in percents])
            amounts = {}
            for percent, part in zip(percents, parts, strict=True):
                lines = of_percent[percent]
                amounts |= dict(zip(lines, shared_out(part, [left[line] for line in lines]), strict=True))
        self.write_note(document, {line: amount for line, amount in amounts.items() if amount})

    def write_note(self, document: Document, amounts: dict[Line, int]) -> None:
        tax = 0
        for percent in {line.percent for line in amounts}:
            before = sum(line.credited for line in document.lines if line.percent == percent)
            more = sum(amount for line, amount in amounts.items() if line.percent == percent)
            tax += self.tax_on(before + more, percent) - self.tax_on(before, percent)
        total = sum(amounts.values()) + tax
        if not 1 <= total <= document.said[-1].total - document.credited:
            return
        # What stood is asked before any line of this note counts.
        stood = {line.stretch: self.stood(line.stretch) for line in amounts if line.stretch is not None}
        for line, amount in amounts.items():
            line.credited += amount
            if line.stretch is not None:
                self.credits.setdefault(line.stretch, []).append((amount, stood[line.stretch]))
                stood[line.stretch] -= amount
        document.credited += total
        self.notes.append(Note(document.boundary, tuple(sorted(amounts.values())), tax, total))

    def stood(self, stretch: Stretch) -> int:
        return self.stands(stretch) - sum(amount for amount, _ in self.credits.get(stretch, []))

    def left_of(self, document: Document, line: Line) -> int:
        """Return what of a line may still be credited (C1)."""
        left = line.amount - line.credited
        if line.stretch is not None:
            left = min(left, self.stood(line.stretch))
        elif line.kind == "recurring":
            given = sum(share.given for one in self.documents for share in one.lines if share.fee is line)
            left = left + given if len(self.documents) > document.boundary + 1 else 0
        return max(left, 0)

    def base_left(self, document: Document, percent: Fraction) -> int:
        bearing = [line for line in document.lines if line.percent == percent]
        return max(sum(line.amount for line in bearing) - sum(line.credited for line in bearing), 0)

    # Money

    def phase_at(self, moment: datetime) -> Phase:
        return [phase for phase in self.phases if phase.starts_at <= max(moment, self.started_at)][-1]

    def tax(self, at: datetime) -> Fraction:
        return [percent for since, percent in self.taxes if since < at][-1]

    def tax_of(self, document: Document) -> int:
        percents = {line.percent for line in document.lines}
        return sum(
            self.tax_on(sum(line.amount for line in document.lines if line.percent == percent), percent)
            for percent in percents
        )

    def tax_on(self, base: int, percent: Fraction) -> int:
        return self.rounded(Fraction(base, 10**self.digits) * percent / 100)

    def rounded(self, amount: Fraction) -> int:
        minor = floor(abs(amount) * 10**self.digits + Fraction(1, 2))
        return minor if amount >= 0 else -minor


def given_back(fee: Line, amount: int) -> Line:
    """Return a line that gives back a share of a fee."""
    return Line(amount, fee.percent, "proration", fee.period, corrects=fee, fee=fee, given=amount)


def without_refund(lines: list[Line]) -> None:
    """Keep what the lines would give back together, of the fee in advance first, then of the last line (P6)."""
    too_much = max(-sum(line.amount for line in lines), 0)
    for line in [*lines[:1], *lines[:0:-1]]:
        kept = min(too_much, max(-line.amount, 0))
        line.amount += kept
        too_much -= kept
