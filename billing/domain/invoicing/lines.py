"""Lines of an invoice before they are stored, the usage that they are made of, and the digest of them. Pure."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from accounts.domain.plain import canonical_json, plain_decimal, plain_instant
from billing.domain.money import EXACT
from billing.domain.plan_terms import SoldPrice
from billing.domain.tax import TaxDecision
from metering.domain.periods import Span

USAGE: Final = "usage"
RECURRING: Final = "recurring"
PRORATION: Final = "proration"
ADJUSTMENT: Final = "adjustment"
CARRY: Final = "carry"
CREDIT_BEFORE: Final = "Credit from the invoice before"
ONE_OFF: Final = "one_off"
_QUANTITY_STEP: Final = Decimal("1E-9")


@dataclass(frozen=True, slots=True)
class Used:
    """A quantity in its meter's unit, and of how many events it is the sum."""

    quantity: Decimal
    events: int

    @classmethod
    def of(cls, quantity: Decimal, events: int) -> "Used":
        """Return what is invoiced of a sum.

        Meters add up to 30 places exactly; an invoice has 9 of them, rounded half-up once.
        """
        return cls(quantity.quantize(_QUANTITY_STEP, context=EXACT), events)

    @classmethod
    def nothing(cls) -> "Used":
        """Return what is invoiced if nothing is used."""
        return cls(Decimal(0), 0)

    def plus(self, quantity: Decimal, events: int) -> "Used":
        """Return the exact sum of both."""
        return Used(EXACT.add(self.quantity, quantity), self.events + events)


@dataclass(frozen=True, slots=True)
class CreditInPart:
    """What a credit note takes back of a line of usage or its correction, and what stood of the usage then."""

    line_id: int
    amount_minor: int
    stood_minor: int
    issued_at: datetime


def owed_after_credits(owed_minor: int, given: Sequence[CreditInPart]) -> int:
    """Return what is owed of usage after what was credited of it, the earliest first.

    Usage that goes away is first taken out of the credit; usage that comes is charged. Each credit looks at what was
    owed after those before it, so what those have given up to usage that went away is not given again.
    """
    before_minor = 0
    for one in given:
        above_minor = owed_minor - (one.stood_minor - before_minor - one.amount_minor)
        owed_minor -= min(max(above_minor, 0), one.amount_minor)
        before_minor += one.amount_minor
    return owed_minor


def unpaid_after_credits(unpaid_minor: int, line_ids: Collection[int], given: Sequence[CreditInPart]) -> int:
    """Return what is unpaid of lines that charged `unpaid_minor`: what was credited of them is not."""
    return unpaid_minor - sum(one.amount_minor for one in given if one.line_id in line_ids)


@dataclass(frozen=True, slots=True)
class InvoicedUsage:
    """A usage line of a finalized invoice with all its corrections so far, and what the ledger says of its span now.

    `forgiven_minor` is the part of the amount on invoices that are void or were credited: the customer has not paid
    that. `tax` is the tax of the usage line. `is_stretch` says that it is one of several stretches of its period, rated
    from its position in it. `unpaid_minor` is the part on invoices that staff marked uncollectible. `is_touched` says
    that some document of its subscription is not in force, or was marked uncollectible. `credits` is what was credited
    in part, the earliest first.
    """

    line_id: int
    number: str
    plan_version_id: int
    price: SoldPrice
    span: Span
    invoiced: Used
    amount_minor: int
    now: Used
    forgiven_minor: int = 0
    tax: TaxDecision | None = None
    is_stretch: bool = False
    unpaid_minor: int = 0
    is_touched: bool = False
    credits: tuple[CreditInPart, ...] = ()

    @property
    def credited_minor(self) -> int:
        """Return what was credited in part."""
        return sum(one.amount_minor for one in self.credits)

    def difference_minor(self, costs_minor: int) -> int:
        """Return what is charged or given back if the usage now comes to `costs_minor`.

        What the customer no longer owes is not charged again. What the customer did not pay is not given back, and
        what was given back of it is charged.
        """
        stands_minor = self.amount_minor - self.forgiven_minor - self.credited_minor
        owed_minor = owed_after_credits(max(costs_minor - self.forgiven_minor, 0), self.credits)
        return max(owed_minor - stands_minor, -max(stands_minor - self.unpaid_minor, 0))


@dataclass(frozen=True, slots=True)
class LineDraft:
    """A line before it is stored.

    `tax` is what holds on the day of supply, `supplied_on`, or what the line bears that this one corrects; a line that
    settles credit bears none. Lines from before lines bore their tax have no day of supply.
    """

    kind: str
    description: str
    period: Span
    quantity: Decimal
    amount_minor: int
    explanation: Mapping[str, object]
    plan_version_id: int | None = None
    price_id: int | None = None
    meter_id: int | None = None
    adjusts_id: int | None = None
    unit: str = ""
    events: int | None = None
    tax: TaxDecision | None = None
    supplied_on: date | None = None

    def canonical(self) -> list[object]:
        """Return the line in the form from which its digest is computed."""
        said = [] if self.supplied_on is None else [self.supplied_on.isoformat(), _canonical_tax(self.tax)]
        return [
            self.kind,
            self.description,
            plain_instant(self.period.start),
            plain_instant(self.period.end),
            plain_decimal(self.quantity),
            self.unit,
            self.amount_minor,
            self.events,
            self.plan_version_id,
            self.price_id,
            self.meter_id,
            self.adjusts_id,
            self.explanation,
            *said,
        ]


def _canonical_tax(tax: TaxDecision | None) -> list[str] | None:
    if tax is None:
        return None
    return [tax.jurisdiction, tax.category, tax.name, plain_decimal(tax.percent), tax.treatment, tax.note]


def digest_of_lines(lines: Sequence[LineDraft]) -> str:
    """Return the SHA-256 of lines in their order, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json([line.canonical() for line in lines])).hexdigest()
