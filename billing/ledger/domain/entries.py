"""The movements of each event, as values: `docs/algorithms/ledger.md`, sections L1, L3 and L4. Pure.

A function for each event returns movements that sum to 0. The deferred part of the revenue depends on the day of
posting, and is decided when they are posted: here all revenue is on `revenue`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from billing.ledger.domain.accounts import EntryKind, LedgerAccount

_SETTLED_BY: Final = (LedgerAccount.RECEIVABLE, LedgerAccount.CREDIT, LedgerAccount.REFUND_DUE)


@dataclass(frozen=True, slots=True)
class Movement:
    """A posting before it is stored: the account, its attributes, and an amount in minor units, debit positive."""

    account: LedgerAccount
    amount_minor: int
    document: str = ""
    due_on: date | None = None
    meter: str = ""
    service_month: date | None = None
    jurisdiction: str = ""
    tax_category: str = ""
    tax_name: str = ""
    tax_percent: Decimal | None = None
    base_minor: int | None = None
    provider: str = ""

    @property
    def says_something(self) -> bool:
        """Return whether the movement has any information: a tax of 0 still has its base."""
        return bool(self.amount_minor or self.base_minor)


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to a document of a tenant, on which day of the issuer's, and what it moves."""

    kind: EntryKind
    source: str
    tenant_id: UUID
    currency: str
    document: str
    occurred_at: datetime
    happened_on: date
    movements: tuple[Movement, ...]


@dataclass(frozen=True, slots=True)
class Earned:
    """A part of a document's lines, without tax: of one meter (or `FEE`) and one month of service, by its first day."""

    meter: str
    service_month: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class TaxSum:
    """The tax of a document at one rate."""

    jurisdiction: str
    category: str
    name: str
    percent: Decimal
    base_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class BookedDocument:
    """The amounts of an invoice or a credit note for the ledger.

    `total_minor` is the sum of the earned amounts, the taxes and `carried_minor`: credit that the document leaves
    (above 0) or uses (below 0).
    """

    number: str
    due_on: date | None
    earned: tuple[Earned, ...]
    taxes: tuple[TaxSum, ...]
    carried_minor: int
    total_minor: int


def finalized(invoice: BookedDocument) -> tuple[Movement, ...]:
    """Return the movements of a finalized invoice."""
    owed = Movement(LedgerAccount.RECEIVABLE, invoice.total_minor, document=invoice.number, due_on=invoice.due_on)
    return _balanced((owed, *_charged(invoice, sign=1)))


def credited(note: BookedDocument, settled: Mapping[LedgerAccount, int], *, invoice: str) -> tuple[Movement, ...]:
    """Return the movements of a credit note.

    `settled` has the parts of its total that lower the debt on `invoice`, become credit, or are to be refunded.
    """
    return _balanced((*_charged(note, sign=-1), *_settled(settled, invoice)))


def taken_back(
    stood: Iterable[Movement], settled: Mapping[LedgerAccount, int], *, invoice: str
) -> tuple[Movement, ...]:
    """Return the movements of a void, or of a credit note over the whole invoice: those of the invoice, reversed.

    `settled` is as in `credited`, and sums to the invoice's total.
    """
    back = (_reversed(movement) for movement in stood if movement.account is not LedgerAccount.RECEIVABLE)
    return _balanced((*back, *_settled(settled, invoice)))


def paid(*, invoice: str, amount_minor: int, allocated_minor: int, provider: str) -> tuple[Movement, ...]:
    """Return the movements of a payment, of which `allocated_minor` is for the invoice and the rest unallocated."""
    return _balanced(
        (
            Movement(LedgerAccount.CLEARING, amount_minor, provider=provider),
            Movement(LedgerAccount.RECEIVABLE, -allocated_minor, document=invoice),
            Movement(LedgerAccount.UNALLOCATED, allocated_minor - amount_minor),
        )
    )


def allocated(*, invoice: str, amount_minor: int) -> tuple[Movement, ...]:
    """Return the movements that allocate unallocated money to an invoice; below 0 they undo an allocation."""
    return _toward(invoice, LedgerAccount.UNALLOCATED, amount_minor)


def set_off(*, invoice: str, amount_minor: int) -> tuple[Movement, ...]:
    """Return the movements that pay an invoice with the customer's credit."""
    return _toward(invoice, LedgerAccount.CREDIT, amount_minor)


def rounded(*, invoice: str, amount_minor: int) -> tuple[Movement, ...]:
    """Return the movements that round off a small rest of an invoice; below 0 it was overpaid."""
    return _toward(invoice, LedgerAccount.ROUNDING, amount_minor)


def written_off(*, invoice: str, open_minor: int) -> tuple[Movement, ...]:
    """Return the movements that write off the open amount of an invoice."""
    lost = Movement(LedgerAccount.WRITE_OFF, open_minor, document=invoice)
    return _balanced((lost, Movement(LedgerAccount.RECEIVABLE, -open_minor, document=invoice)))


def recovered(*, invoice: str, written_off_minor: int) -> tuple[Movement, ...]:
    """Return the movements that undo a write-off, because the invoice is paid, voided or credited after all."""
    return tuple(_reversed(movement) for movement in written_off(invoice=invoice, open_minor=written_off_minor))


def recovers(amount_minor: int, *, open_minor: int, written_off_minor: int) -> int:
    """Return what of a write-off money or credit takes back: it pays what is open beside the write-off first."""
    return min(written_off_minor, max(amount_minor - max(open_minor, 0), 0))


def refunded(*, amount_minor: int, provider: str, out_of: LedgerAccount) -> tuple[Movement, ...]:
    """Return the movements of a refund: out of the amount due back, of credit, or of unallocated money."""
    assert out_of in {LedgerAccount.REFUND_DUE, LedgerAccount.CREDIT, LedgerAccount.UNALLOCATED}, "it is the customer's"
    back = Movement(LedgerAccount.CLEARING, -amount_minor, provider=provider)
    return _balanced((Movement(out_of, amount_minor), back))


def disputed(*, amount_minor: int, provider: str) -> tuple[Movement, ...]:
    """Return the movements of a dispute: the bank took the money; below 0 the dispute is over."""
    taken = Movement(LedgerAccount.CLEARING, -amount_minor, provider=provider)
    return _balanced((Movement(LedgerAccount.DISPUTED, amount_minor), taken))


def released(deferred: Sequence[Earned]) -> tuple[Movement, ...]:
    """Return the movements at the start of a month: its deferred revenue (with its balance's sign) is earned."""
    return tuple(
        Movement(account, sign * part.amount_minor, meter=part.meter, service_month=part.service_month)
        for part in deferred
        for account, sign in ((LedgerAccount.DEFERRED, -1), (LedgerAccount.REVENUE, 1))
    )


def _charged(document: BookedDocument, *, sign: int) -> Iterable[Movement]:
    for part in document.earned:
        yield Movement(
            LedgerAccount.REVENUE, -sign * part.amount_minor, meter=part.meter, service_month=part.service_month
        )
    for tax in document.taxes:
        yield Movement(
            LedgerAccount.TAX,
            -sign * tax.tax_minor,
            jurisdiction=tax.jurisdiction,
            tax_category=tax.category,
            tax_name=tax.name,
            tax_percent=tax.percent,
            base_minor=sign * tax.base_minor,
        )
    yield Movement(LedgerAccount.CREDIT, -sign * document.carried_minor)


def _settled(settled: Mapping[LedgerAccount, int], invoice: str) -> Iterable[Movement]:
    for account, amount_minor in settled.items():
        assert account in _SETTLED_BY, "a reversed amount lowers the debt, becomes credit, or is refunded"
        yield Movement(account, -amount_minor, document=invoice if account is LedgerAccount.RECEIVABLE else "")


def _toward(invoice: str, out_of: LedgerAccount, amount_minor: int) -> tuple[Movement, ...]:
    return _balanced(
        (Movement(out_of, amount_minor), Movement(LedgerAccount.RECEIVABLE, -amount_minor, document=invoice))
    )


def _reversed(movement: Movement) -> Movement:
    base_minor = None if movement.base_minor is None else -movement.base_minor
    return replace(movement, amount_minor=-movement.amount_minor, base_minor=base_minor)


def _balanced(movements: Iterable[Movement]) -> tuple[Movement, ...]:
    found = tuple(movement for movement in movements if movement.says_something)
    assert sum(movement.amount_minor for movement in found) == 0, f"debit and credit differ: {found}"
    return found
