"""Lines of an invoice, stored or only computed, each with the steps of its computation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from accounts.domain.numbers import number_text
from billing.desk.domain.line_questions import QuestionStatus
from billing.desk.models import LineQuestion
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import ADJUSTMENT, CARRY, ONE_OFF, USAGE
from billing.domain.money import rate_text
from billing.domain.step_words import StepWords, words_of
from billing.domain.steps import steps_of, told_by_the_line
from billing.domain.tax import TaxDecision
from billing.models import InvoiceLine

_TIMES: Final = "\N{MULTIPLICATION SIGN}"
COUNTED: Final = frozenset({USAGE, ADJUSTMENT, ONE_OFF})


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step of a line: its label, its computation if it has one, and its amount."""

    label: str
    reckoning: str
    amount: str


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line with its steps.

    `quantity` is None if the line has no usage; `corrects` is an invoice's number; `tax` is empty for a line that
    settles credit, which is shown below the taxes.
    """

    position: int
    kind: str
    description: str
    start: datetime
    end: datetime
    quantity: Decimal | None
    unit: str
    amount_minor: int
    events: int | None
    corrects: str
    steps: tuple[ShownStep, ...]
    tax: str
    questions: Sequence[LineQuestion] = ()

    @property
    def has_open_question(self) -> bool:
        """Return whether a question about the line waits for an answer."""
        return any(question.status == QuestionStatus.OPEN for question in self.questions)

    @property
    def is_settlement(self) -> bool:
        """Return whether the line is deducted after tax."""
        return self.kind == CARRY and not self.tax


def lines_of(
    stored: Iterable[InvoiceLine], currency: str, questions: Mapping[int, Sequence[LineQuestion]]
) -> list[ShownLine]:
    """Return the lines of a stored invoice, each with the questions about it, which are given by position."""
    return [
        ShownLine(
            position=line.position,
            kind=line.kind,
            description=line.description,
            start=line.period_start,
            end=line.period_end,
            quantity=line.quantity if line.kind in COUNTED else None,
            unit=line.unit,
            amount_minor=line.amount_minor,
            events=line.events,
            corrects=corrected_by(line.explanation),
            steps=steps_shown(line.explanation, line.amount_minor, currency),
            tax=tax_shown(line.tax),
            questions=questions.get(line.position, ()),
        )
        for line in stored
    ]


def lines_ahead(computed: ComputedInvoice) -> list[ShownLine]:
    """Return the lines of an invoice that is not created yet."""
    return [
        ShownLine(
            position=position,
            kind=line.kind,
            description=line.description,
            start=line.period.start,
            end=line.period.end,
            quantity=line.quantity if line.kind in COUNTED else None,
            unit=line.unit,
            amount_minor=line.amount_minor,
            events=line.events,
            corrects=corrected_by(line.explanation),
            steps=steps_shown(line.explanation, line.amount_minor, computed.state.currency),
            tax=tax_shown(line.tax),
        )
        for position, line in enumerate(computed.lines, start=1)
    ]


def corrected_by(explanation: Mapping[str, Any]) -> str:
    """Return the number of the invoice that a line corrects, or an empty text."""
    return str(explanation.get("invoice", ""))


def tax_shown(tax: TaxDecision | None) -> str:
    """Return the tax of a line, such as VAT 21 %."""
    return "" if tax is None else f"{tax.name} {number_text(tax.percent)} %"


def steps_shown(explanation: Mapping[str, Any], amount_minor: int, currency: str) -> tuple[ShownStep, ...]:
    """Return the steps of an amount; none if the line itself shows the whole computation."""
    steps = steps_of(explanation, amount_minor, currency)
    return () if told_by_the_line(steps) else tuple(_shown_step(words_of(step, currency), currency) for step in steps)


def _shown_step(words: StepWords, currency: str) -> ShownStep:
    reckoning = "" if words.quantity is None else number_text(words.quantity)
    if words.unit_amount:
        reckoning += f" {_TIMES} {rate_text(words.unit_amount, currency)}"
    return ShownStep(words.label, reckoning, "" if words.amount is None else rate_text(words.amount, currency))
