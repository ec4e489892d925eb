"""What receipts and statements of account say: plain values, made when they are asked for. Pure; `docs/invoices.md`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from billing.domain.languages import ENGLISH
from billing.ledger.domain.accounts import EntryKind

_ONE_DAY: Final = timedelta(days=1)
_WORDS: Final[Mapping[str, str]] = {
    EntryKind.INVOICE: "Invoice",
    EntryKind.VOID: "Invoice declared void",
    EntryKind.CREDIT_NOTE: "Credit note",
    EntryKind.PAYMENT: "Payment",
    EntryKind.REFUND: "Refund",
    EntryKind.ROUNDING: "Rounding",
    EntryKind.WRITE_OFF: "Written off",
    EntryKind.RECOVERY: "Write-off taken back",
}


@dataclass(frozen=True, slots=True)
class PaperHeading:
    """Who gives it to whom, on which day, and in which language. `logo` is as in `Heading`."""

    issued_on: date
    issuer: Mapping[str, str]
    customer: Mapping[str, str]
    language: str = ENGLISH
    logo: str = ""

    def content(self, kind: str) -> dict[str, object]:
        """Return what both papers begin with."""
        return {
            "kind": kind,
            "language": self.language,
            "issued_on": self.issued_on.isoformat(),
            "issuer": dict(self.issuer),
            "customer": dict(self.customer),
            **({"logo": self.logo} if self.logo else {}),
        }


@dataclass(frozen=True, slots=True)
class PaidPart:
    """What a payment pays of an invoice."""

    number: str
    amount_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class ReceivedPayment:
    """Money that came in, and how it stands. `method` is a provider's title, or how else it came."""

    reference: str
    received_on: date
    method: str
    currency: str
    amount_minor: int
    refunded_minor: int
    pays: Sequence[PaidPart]

    @property
    def unallocated_minor(self) -> int:
        """Return what of it is the customer's: it pays for nothing, and was not given back."""
        return self.amount_minor - self.refunded_minor - sum(paid.amount_minor for paid in self.pays)


def receipt_content(heading: PaperHeading, payment: ReceivedPayment) -> dict[str, object]:
    """Return what a receipt says, amounts in minor units."""
    return {
        **heading.content("receipt"),
        "number": payment.reference,
        "received_on": payment.received_on.isoformat(),
        "method": payment.method,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
        "pays": [
            {"number": paid.number, "amount_minor": paid.amount_minor, "total_minor": paid.total_minor}
            for paid in payment.pays
        ],
        "refunded_minor": payment.refunded_minor,
        "unallocated_minor": payment.unallocated_minor,
    }


def statement_content(
    heading: PaperHeading, *, first: date, end: date, accounts: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    """Return what a statement of account says of the days from `first` on and before `end`.

    Each of `accounts` is of one currency: `opening_minor`, `closing_minor`, and `rows` with `day`, `what`, `document`,
    `amount_minor` and `balance_minor`.
    """
    return {
        **heading.content("statement"),
        "period": {"first_day": first.isoformat(), "last_day": (end - _ONE_DAY).isoformat()},
        "accounts": list(accounts),
    }


def entry_words(kind: str) -> str:
    """Return what a row of a statement is called."""
    return _WORDS.get(kind, kind.replace("_", " ").capitalize())
