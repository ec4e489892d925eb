"""Whether a finalized invoice says what it was computed from: differences as values. Pure; `docs/algorithms/invoicing.md`, section V.

Nothing here reads: `billing.selectors.verification` brings what is stored and what the raw ledger says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from accounts.domain.plain import plain_decimal
from billing.domain.documents import lines_content
from billing.domain.invoicing.computing import compute_invoice
from billing.domain.invoicing.lines import ADJUSTMENT, USAGE, InvoicedUsage, LineDraft, Used, digest_of_lines
from billing.domain.invoicing.state import BillingState
from billing.domain.tax import TaxDecision
from billing.errors import UnbillableError

# An event's time of arrival is when its request began, a run's is when the run began: within these margins of a computation
# nobody can say whether it saw an event. No request lasts as long as the first, no run as long as the second.
ARRIVAL_MARGIN: Final = timedelta(minutes=15)
RUN_MARGIN: Final = timedelta(hours=1)
_COMPARED: Final = (
    "kind", "period", "quantity", "amount_minor", "events", "plan_version_id", "price_id", "meter_id", "adjusts_id",
    "explanation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree. `subject` is an invoice's number, a plan version, a series or a file; `code` a stable word."""

    subject: str
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.code}: {self.detail}"


@dataclass(frozen=True, slots=True)
class StoredInvoice:
    """A finalized invoice as it stands in the tables, with the state that it was computed from."""

    number: str
    state: BillingState
    lines: tuple[LineDraft, ...]
    lines_digest: str
    tax: TaxDecision
    subtotal_minor: int
    tax_minor: int
    total_minor: int
    issued_on: str
    due_on: str
    credit_minor: int
    corrected: tuple[InvoicedUsage, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a computation can have seen of a span: at least the one, at most the other. They differ only for what was under way."""

    least: Used
    most: Used

    def hold(self, used: Used) -> bool:
        """Whether the computation can have come to this."""
        return (
            self.least.quantity <= used.quantity <= self.most.quantity
            and self.least.events <= used.events <= self.most.events
        )

    def __str__(self) -> str:
        if self.least == self.most:
            return described(self.least)
        return f"between {described(self.least)} and {described(self.most)}"


def described(used: Used) -> str:
    """A quantity with its number of events."""
    return f"{plain_decimal(used.quantity)} in {used.events} events"


def differences_of(stored: StoredInvoice) -> Iterator[Difference]:
    """What of the invoice's own lines, sums and tax does not follow from its plan, its usage and its corrections."""
    if digest_of_lines(stored.lines) != stored.lines_digest:
        yield Difference(stored.number, "lines_digest", "The lines are not those that were finalized.")
    wanted = [(version.id, price.id, price.meter_id, span) for version, price, span in stored.state.usage_wanted()]
    usage = [line for line in stored.lines if line.kind == USAGE]
    if wanted != [(line.plan_version_id, line.price_id, line.meter_id, line.period) for line in usage]:
        yield Difference(stored.number, "lines", "The usage lines are not those of its plan and period.")
        return
    try:
        computed = compute_invoice(
            stored.state,
            usage=[Used(line.quantity, line.events or 0) for line in usage],
            invoiced=stored.corrected,
            credit_minor=stored.credit_minor,
            tax=stored.tax,
        )
    except UnbillableError as error:
        yield Difference(stored.number, "lines", f"It could not be computed: {error.detail}")
        return
    yield from _line_differences(stored, computed.lines)
    for name in ("subtotal_minor", "tax_minor", "total_minor"):
        said, follows = getattr(stored, name), getattr(computed, name)
        if said != follows:
            yield Difference(stored.number, name, f"It says {said}, and {follows} follows.")


def content_differences(stored: StoredInvoice, content: Mapping[str, object]) -> Iterator[Difference]:
    """Where the document says something else than the invoice and its lines."""
    expected: dict[str, object] = {
        "number": stored.number,
        "currency": stored.state.currency,
        "issued_on": stored.issued_on,
        "due_on": stored.due_on,
        "subtotal_minor": stored.subtotal_minor,
        "tax_minor": stored.tax_minor,
        "total_minor": stored.total_minor,
        "lines": lines_content(stored.lines, stored.state.time_zone),
    }
    for name, value in expected.items():
        if content.get(name) != value:
            yield Difference(stored.number, "document", f"Its {name} is not the invoice's.")


def _line_differences(stored: StoredInvoice, computed: Sequence[LineDraft]) -> Iterator[Difference]:
    if len(stored.lines) != len(computed):
        yield Difference(
            stored.number, "lines", f"It has {len(stored.lines)} lines, and {len(computed)} follow from its plan."
        )
        return
    for position, (line, follows) in enumerate(zip(stored.lines, computed, strict=True), start=1):
        for name in _COMPARED:
            said, expected = getattr(line, name), getattr(follows, name)
            if said != expected:
                code = "adjustment" if line.kind == ADJUSTMENT else "line"
                yield Difference(stored.number, code, f"Line {position}: {name} is {said}, and {expected} follows.")
