"""What verification looks at, as values: what is stored of some invoices, and what the raw ledger says. Pure.

Nothing here reads: `billing.verification.selectors` loads it in a fixed number of queries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from accounts.domain.numbers import counted
from accounts.domain.plain import plain_decimal
from billing.domain.invoicing.lines import InvoicedUsage, LineDraft, Used
from billing.domain.invoicing.state import BillingState
from billing.domain.invoicing.taxes import TaxRow
from billing.domain.plan_terms import SoldVersion

# An event's time of arrival is when its request began, a run's is when the run began: within these margins it is
# unknown whether a computation saw an event. No request lasts as long as the first, no run as long as the second.
ARRIVAL_MARGIN: Final = timedelta(minutes=15)
RUN_MARGIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Sums:
    """What stands below the lines."""

    subtotal_minor: int
    tax_minor: int
    total_minor: int
    carried_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLine(LineDraft):
    """A line of an invoice as it stands in the tables."""

    pk: int
    invoice_id: UUID
    position: int


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it was issued, with the digest that was stored of it."""

    number: str
    content: Mapping[str, Any]
    content_digest: str


@dataclass(frozen=True, slots=True)
class StoredInvoice:
    """A finalized invoice as it stands in the tables, with the state that it was computed from.

    `corrected` and `credit_minor` are what had been invoiced, and left over, when it was computed. On an old
    one credit was taken off before tax, and all lines bear one tax (decision 0020). A replacement has the state and the
    lines of the invoice that it stands for.
    """

    number: str
    state: BillingState
    lines: tuple[LineDraft, ...]
    lines_digest: str
    taxes: tuple[TaxRow, ...]
    sums: Sums
    issued_on: str
    due_on: str
    credit_minor: int
    corrected: tuple[InvoicedUsage, ...]
    document: StoredDocument | None
    original_lines: tuple[LineDraft, ...] | None = None
    is_manual: bool = False

    @property
    def is_old(self) -> bool:
        """Return whether it is from before lines bore their tax. One without lines is known by its document."""
        if self.lines:
            return self.lines[0].supplied_on is None
        return self.document is not None and "carried_minor" not in self.document.content


@dataclass(frozen=True, slots=True)
class StoredCreditNote:
    """A credit note, and the invoice that it takes back; `lines_minor` is the sum of the lines of one in part."""

    document: StoredDocument
    sums: Sums
    invoice_number: str
    invoice_sums: Sums
    lines_minor: int | None = None


@dataclass(frozen=True, slots=True)
class UnreadableVersion:
    """A plan version whose prices cannot be read, and why."""

    version_id: int
    detail: str


@dataclass(frozen=True, slots=True)
class PaidInvoice:
    """An invoice that says it is paid; whether payments and credit notes come to its total."""

    number: str
    has_payment: bool


@dataclass(frozen=True, slots=True)
class UsageBounds:
    """What a computation can have seen of a span: at least the one, at most the other.

    They differ only for what was under way. An event that comes late may lower some quantities, such as that of a
    level. Then these two do not bound it (not `is_ordered`), and only the numbers of events are compared.
    """

    least: Used
    most: Used
    is_ordered: bool = True

    def hold(self, used: Used) -> bool:
        """Return whether the computation can have come to this."""
        if self.least == self.most:
            return used == self.least
        is_within = self.least.quantity <= used.quantity <= self.most.quantity
        return (is_within or not self.is_ordered) and self.least.events <= used.events <= self.most.events

    def __str__(self) -> str:
        if self.least == self.most:
            return described(self.least)
        return f"between {described(self.least)} and {described(self.most)}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What had been invoiced of a usage line when invoice `number` was computed, and what the ledger held then."""

    number: str
    position: int
    invoiced: Used
    ledger: UsageBounds


@dataclass(frozen=True, slots=True)
class Series:
    """A series whose numbers do not match: its counter, the documents' numbers, and the numbers without a document."""

    code: str
    last_given: int
    last_used: int
    documents: int
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Untied:
    """An invoice, a tenant, an entry or a month of which the ledger of accounts says something else."""

    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Batch:
    """All that the checks look at. What was not loaded is empty, and nothing is found in it."""

    versions: tuple[SoldVersion, ...] = ()
    unreadable: tuple[UnreadableVersion, ...] = ()
    invoices: tuple[StoredInvoice, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    credit_notes: tuple[StoredCreditNote, ...] = ()
    paid: tuple[PaidInvoice, ...] = ()
    wrong_files: tuple[str, ...] = ()
    wrong_series: tuple[Series, ...] = ()
    untied: tuple[Untied, ...] = ()


def described(used: Used) -> str:
    """Return a quantity with its number of events."""
    return f"{plain_decimal(used.quantity)} in {counted(used.events, 'events')}"
