"""Comparing our books with a provider's: each difference as a value, with both sides in words. Pure.

`docs/reconciliation.md` has the rules, each with the code of its findings.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from accounts.domain.numbers import number_text
from billing.collection.domain.provider import (
    ClaimState,
    ProviderStatement,
    RefundState,
    ReportedClaim,
    ReportedDispute,
    ReportedPayout,
    ReportedRefund,
)
from billing.domain.money import money_text

NOTHING: Final = "nothing"
# A fee above this part of a payment, and this much on top of it, is asked about.
FEE_PERCENT_MAX: Final = 10
FEE_MINOR_ALLOWED: Final = 100


class FindingCode(StrEnum):
    """The kinds of differences."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    CURRENCY = "currency"
    STATE = "state"
    TWICE = "twice"
    FEE = "fee"
    PAYOUT = "payout"
    LEDGER = "ledger"
    USAGE = "usage"


# What staff may do about each. Nothing of it is done by the check.
ACTS: Final[Mapping[FindingCode, str]] = {
    FindingCode.MISSING_HERE: "Reprocess the event in the inbox. If none arrived, run the job provider_events.",
    FindingCode.MISSING_THERE: "Look for it at the provider, also under another account or in test mode. If the money "
    "did not come in, take the payment back.",
    FindingCode.AMOUNT: "Compare both documents. Refund what is too much; allocate or credit what is left.",
    FindingCode.CURRENCY: "Refund it at the provider, and have the customer pay in the invoice's currency.",
    FindingCode.STATE: "Reprocess the latest event of this object in the inbox, which applies the provider's state.",
    FindingCode.TWICE: "Refund the second payment, or void the second invoice at the provider.",
    FindingCode.FEE: "Compare the fee with your contract, and ask the provider.",
    FindingCode.PAYOUT: "Compare the payout with the bank statement, and ask the provider.",
    FindingCode.LEDGER: "Run post_ledger, which posts what the ledger of accounts lacks. If the amounts differ, "
    "someone reached the tables: look at the audit log.",
    FindingCode.USAGE: "Push the hours again under Pushed usage. The provider's copy is used for no invoice.",
}


@dataclass(frozen=True, slots=True)
class OurPayment:
    """A payment that we have, and what the ledger of accounts has of it with the provider; None: no entry."""

    reference: str
    tenant_id: UUID
    invoice_id: UUID | None
    amount_minor: int
    currency: str
    happened_at: datetime
    posted_minor: int | None


@dataclass(frozen=True, slots=True)
class OurInvoice:
    """An invoice of ours, and the provider's that collects it; `due_minor` is what is still owed."""

    invoice_id: UUID
    tenant_id: UUID
    number: str
    status: str
    due_minor: int
    currency: str
    reference: str


@dataclass(frozen=True, slots=True)
class OurReturn:
    """A refund or a dispute that we have. `is_undone` if a refund failed; `phase` is a dispute's."""

    reference: str
    tenant_id: UUID
    amount_minor: int
    currency: str
    happened_at: datetime
    is_undone: bool = False
    phase: str = ""


@dataclass(frozen=True, slots=True)
class OurBooks:
    """Our side: payments and what went back by their references, and the invoices that the provider collects."""

    payments: Mapping[str, OurPayment]
    invoices: Mapping[UUID, OurInvoice]
    refunds: Mapping[str, OurReturn]
    disputes: Mapping[str, OurReturn]
    tenants: Mapping[str, UUID] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PaymentDifference:
    """One difference. `subject` and `code` name it; `happened_at` is when its money moved."""

    subject: str
    code: FindingCode
    ours: str
    theirs: str
    explanation: str
    happened_at: datetime
    tenant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ComparedSpan:
    """The span that is compared: what is later may still be under way, what is earlier was listed by one side alone."""

    since: datetime
    until: datetime

    def covers(self, moment: datetime) -> bool:
        """Return whether a moment is in the span."""
        return self.since <= moment < self.until


def differences(ours: OurBooks, theirs: ProviderStatement, span: ComparedSpan) -> list[PaymentDifference]:
    """Return all differences, the payments' first."""
    claims = [claim for claim in theirs.claims if claim.happened_at < span.until]
    return [
        *(found for claim in claims for found in _of_claim(ours, claim)),
        *_collected_twice(ours, claims),
        *_missing_there(ours, theirs.claims, span),
        *_of_refunds(ours, theirs.refunds, span),
        *_of_disputes(ours, theirs.disputes, span),
        *(found for payout in theirs.payouts if payout.happened_at < span.until for found in _of_payout(payout)),
        *_of_ledger(ours.payments.values(), span),
    ]


def usage_differences(
    ours: Mapping[tuple[str, str], Decimal],
    theirs: Mapping[tuple[str, str], Decimal],
    tenants: Mapping[str, UUID],
    *,
    since: datetime,
    until: datetime,
) -> list[PaymentDifference]:
    """Return the differences of usage by customer and meter; a side without an entry has none."""
    days = f"from {since:%Y-%m-%d} to {until:%Y-%m-%d}"
    return [
        PaymentDifference(
            subject=f"usage {code} {reference}",
            code=FindingCode.USAGE,
            ours=f"{number_text(ours.get((reference, code), Decimal(0)))} {days}",
            theirs=f"{number_text(theirs.get((reference, code), Decimal(0)))} {days}",
            explanation="The provider's copy of a meter differs from the usage ledger.",
            happened_at=since,
            tenant_id=tenants.get(reference),
        )
        for reference, code in sorted({*ours, *theirs})
        if ours.get((reference, code), Decimal(0)) != theirs.get((reference, code), Decimal(0))
    ]


def to_look_up(ours: OurBooks, claims: Iterable[ReportedClaim], span: ComparedSpan) -> list[str]:
    """Return the references of ours that a statement does not have: the provider may have created them earlier."""
    listed = {claim.reference for claim in claims}
    paid = [one.reference for one in ours.payments.values() if span.covers(one.happened_at)]
    owed = [one.reference for one in ours.invoices.values() if one.reference and one.due_minor]
    return sorted({*paid, *owed} - listed)


def _of_claim(ours: OurBooks, claim: ReportedClaim) -> Iterator[PaymentDifference]:
    payment = ours.payments.get(claim.reference)
    if claim.state is ClaimState.PAID:
        yield from _of_paid(ours, claim, payment)
    elif payment is not None:
        yield _difference(ours, claim, FindingCode.STATE, _paid_here(payment), f"{claim.state.value} there",
                          explanation="It is paid in our books, and not at the provider.")  # fmt: skip
    elif claim.state is ClaimState.OPEN:
        yield from _of_open(ours, claim)
    elif claim.state is ClaimState.VOID and (invoice := _collected_by(ours, claim)) is not None and invoice.due_minor:
        due = money_text(invoice.due_minor, invoice.currency)
        yield _difference(ours, claim, FindingCode.STATE, f"{due} due on {invoice.number}", "void",
                          explanation="The provider no longer collects what is owed.")  # fmt: skip


def _collected_by(ours: OurBooks, claim: ReportedClaim) -> OurInvoice | None:
    """Return our invoice if it names this claim as the one that collects it."""
    invoice = None if claim.invoice_id is None else ours.invoices.get(claim.invoice_id)
    return invoice if invoice is not None and invoice.reference == claim.reference else None


def _of_paid(ours: OurBooks, claim: ReportedClaim, payment: OurPayment | None) -> Iterator[PaymentDifference]:
    theirs = f"{money_text(claim.amount_minor, claim.currency)} paid on {claim.happened_at:%Y-%m-%d}"
    if payment is None:
        yield _difference(ours, claim, FindingCode.MISSING_HERE, NOTHING, theirs,
                          explanation="The provider has received money that our books do not have.")  # fmt: skip
    elif payment.currency != claim.currency:
        yield _difference(ours, claim, FindingCode.CURRENCY, _paid_here(payment), theirs,
                          explanation="The payment is in one currency here and in another one there.")  # fmt: skip
    elif payment.amount_minor != claim.amount_minor:
        yield _difference(ours, claim, FindingCode.AMOUNT, _paid_here(payment), theirs,
                          explanation="The payment is over one amount here and over another one there.")  # fmt: skip
    if claim.charges > 1:
        yield _difference(ours, claim, FindingCode.TWICE, "one payment", f"{claim.charges} charges that succeeded",
                          explanation="The customer was charged more than once for one invoice.")  # fmt: skip
    allowed = claim.amount_minor * FEE_PERCENT_MAX // 100 + FEE_MINOR_ALLOWED
    if claim.fee_minor is not None and claim.fee_minor > allowed:
        yield _difference(ours, claim, FindingCode.FEE, f"at most {money_text(allowed, claim.currency)} expected",
                          f"{money_text(claim.fee_minor, claim.currency)} kept of {theirs}",
                          explanation="The provider kept more of the payment than is expected.")  # fmt: skip


def _of_open(ours: OurBooks, claim: ReportedClaim) -> Iterator[PaymentDifference]:
    """Compare what is still to be paid with the invoice that it is for."""
    invoice = None if claim.invoice_id is None else ours.invoices.get(claim.invoice_id)
    theirs = f"{money_text(claim.amount_minor, claim.currency)} to be paid"
    if invoice is None or invoice.reference != claim.reference:
        said = (
            NOTHING if invoice is None else f"{invoice.number}, which names {invoice.reference or 'no invoice there'}"
        )
        yield _difference(ours, claim, FindingCode.MISSING_HERE, said, theirs,
                          explanation="The provider collects an invoice that our books do not name.")  # fmt: skip
        return
    due = money_text(invoice.due_minor, invoice.currency)
    if not invoice.due_minor:
        yield _difference(ours, claim, FindingCode.STATE, f"{invoice.number} is {invoice.status}", theirs,
                          explanation="The provider still collects what is not owed any more.")  # fmt: skip
    elif invoice.currency != claim.currency:
        yield _difference(ours, claim, FindingCode.CURRENCY, f"{due} due on {invoice.number}", theirs,
                          explanation="The invoice is in one currency here and in another one there.")  # fmt: skip
    elif invoice.due_minor != claim.amount_minor:
        yield _difference(ours, claim, FindingCode.AMOUNT, f"{due} due on {invoice.number}", theirs,
                          explanation="The provider collects another amount than is due.")  # fmt: skip


def _collected_twice(ours: OurBooks, claims: Sequence[ReportedClaim]) -> Iterator[PaymentDifference]:
    of_invoice: dict[UUID, list[ReportedClaim]] = defaultdict(list)
    for claim in claims:
        if claim.invoice_id is not None and claim.state in {ClaimState.OPEN, ClaimState.PAID}:
            of_invoice[claim.invoice_id].append(claim)
    for invoice_id, same in of_invoice.items():
        # What was paid in part is collected by a second one: together they come to no more than the invoice.
        total_paid = [claim for claim in same if claim.state is ClaimState.PAID]
        invoice = ours.invoices.get(invoice_id)
        open_ones = [claim for claim in same if claim.state is ClaimState.OPEN]
        is_rest = len(open_ones) == 1 and invoice is not None and invoice.due_minor == open_ones[0].amount_minor
        if len(open_ones) > 1 or (open_ones and total_paid and not is_rest):
            said = ", ".join(f"{claim.reference} {claim.state.value}" for claim in same)
            name = str(invoice_id) if invoice is None else invoice.number
            yield _difference(ours, same[-1], FindingCode.TWICE, f"one invoice {name}", said,
                              explanation="Several invoices at the provider collect one of ours.")  # fmt: skip


def _missing_there(ours: OurBooks, claims: Iterable[ReportedClaim], span: ComparedSpan) -> Iterator[PaymentDifference]:
    there = {claim.reference for claim in claims}
    for payment in ours.payments.values():
        if payment.reference not in there and span.covers(payment.happened_at):
            yield PaymentDifference(
                subject=f"payment {payment.reference}",
                code=FindingCode.MISSING_THERE,
                ours=_paid_here(payment),
                theirs=NOTHING,
                explanation="Our books have a payment that the provider does not have.",
                happened_at=payment.happened_at,
                tenant_id=payment.tenant_id,
            )
    for invoice in ours.invoices.values():
        if invoice.reference and invoice.due_minor and invoice.reference not in there:
            yield PaymentDifference(
                subject=f"payment {invoice.reference}",
                code=FindingCode.MISSING_THERE,
                ours=f"{money_text(invoice.due_minor, invoice.currency)} due on {invoice.number}",
                theirs=NOTHING,
                explanation="The provider does not have the invoice that is to collect ours.",
                happened_at=span.until,
                tenant_id=invoice.tenant_id,
            )


def _of_refunds(ours: OurBooks, theirs: Sequence[ReportedRefund], span: ComparedSpan) -> Iterator[PaymentDifference]:
    for refund in theirs:
        happened_at = refund.occurred_at or span.since
        known, said = ours.refunds.get(refund.reference), f"{_amount_of(refund)} {refund.state.value}"
        code: FindingCode | None = None
        explanation = ""
        if known is None and refund.state is not RefundState.FAILED:
            code, explanation = FindingCode.MISSING_HERE, "The provider gave money back that our books do not have."
        elif known is not None and known.is_undone != (refund.state is RefundState.FAILED):
            code, explanation = FindingCode.STATE, "The refund reached the customer on one side only."
        elif known is not None and not known.is_undone:
            code, explanation = _sum_differs(known, refund, "refund")
        if code is not None and happened_at < span.until:
            here = NOTHING if known is None else f"{_amount_of(known)}{', taken back' if known.is_undone else ''}"
            tenant_id = None if known is None else known.tenant_id
            yield PaymentDifference(f"refund {refund.reference}", code, here, said, explanation, happened_at, tenant_id)
    yield from _gone(ours.refunds, {refund.reference for refund in theirs}, "refund", span)


def _of_disputes(ours: OurBooks, theirs: Sequence[ReportedDispute], span: ComparedSpan) -> Iterator[PaymentDifference]:
    for dispute in theirs:
        happened_at = dispute.occurred_at or span.since
        known, said = ours.disputes.get(dispute.reference), f"{_amount_of(dispute)} {dispute.phase.value}"
        code: FindingCode | None
        if known is None:
            code, explanation = FindingCode.MISSING_HERE, "A customer disputes a payment, and our books do not say so."
        elif known.phase != dispute.phase:
            code, explanation = FindingCode.STATE, "The dispute is in one state here and in another one there."
        else:
            code, explanation = _sum_differs(known, dispute, "dispute")
        if code is not None and happened_at < span.until:
            here = NOTHING if known is None else f"{_amount_of(known)} {known.phase}"
            tenant_id = None if known is None else known.tenant_id
            yield PaymentDifference(
                f"dispute {dispute.reference}", code, here, said, explanation, happened_at, tenant_id
            )
    yield from _gone(ours.disputes, {dispute.reference for dispute in theirs}, "dispute", span)


def _sum_differs(known: OurReturn, told: ReportedRefund | ReportedDispute, what: str) -> tuple[FindingCode | None, str]:
    if known.currency != told.currency:
        return FindingCode.CURRENCY, f"The {what} is in one currency here and in another one there."
    if known.amount_minor != told.amount_minor:
        return FindingCode.AMOUNT, f"The {what} is over one amount here and over another one there."
    return None, ""


def _gone(
    known: Mapping[str, OurReturn], there: set[str], what: str, span: ComparedSpan
) -> Iterator[PaymentDifference]:
    for one in known.values():
        if one.reference not in there and span.covers(one.happened_at) and not one.is_undone:
            said = f"{_amount_of(one)} {one.phase}".strip()
            yield PaymentDifference(
                subject=f"{what} {one.reference}",
                code=FindingCode.MISSING_THERE,
                ours=said,
                theirs=NOTHING,
                explanation=f"Our books have a {what} that the provider does not have.",
                happened_at=one.happened_at,
                tenant_id=one.tenant_id,
            )


def _of_payout(payout: ReportedPayout) -> Iterator[PaymentDifference]:
    sent = money_text(payout.amount_minor, payout.currency)
    if payout.failure:
        explanation = "A payout did not reach the bank account."
        theirs = f"{sent}: {payout.failure}"
    elif payout.amount_minor != payout.parts_minor:
        explanation = "A payout is not the sum of the payments, refunds and fees that it consists of."
        theirs = f"{sent} sent"
    else:
        return
    ours = f"{money_text(payout.parts_minor, payout.currency)} by its parts"
    yield PaymentDifference(
        f"payout {payout.reference}", FindingCode.PAYOUT, ours, theirs, explanation, payout.happened_at
    )  # fmt: skip


def _of_ledger(payments: Iterable[OurPayment], span: ComparedSpan) -> Iterator[PaymentDifference]:
    for payment in payments:
        if payment.posted_minor != payment.amount_minor and span.covers(payment.happened_at):
            posted = payment.posted_minor
            said = "no entry" if posted is None else f"{money_text(posted, payment.currency)} in the ledger of accounts"
            yield PaymentDifference(
                subject=f"payment {payment.reference}",
                code=FindingCode.LEDGER,
                ours=_paid_here(payment),
                theirs=said,
                explanation="The payment and its entry in the ledger of accounts differ.",
                happened_at=payment.happened_at,
                tenant_id=payment.tenant_id,
            )


def _difference(
    ours: OurBooks, claim: ReportedClaim, code: FindingCode, here: str, there: str, *, explanation: str
) -> PaymentDifference:
    invoice = None if claim.invoice_id is None else ours.invoices.get(claim.invoice_id)
    payment = ours.payments.get(claim.reference)
    known = payment or invoice
    tenant_id = ours.tenants.get(claim.customer_reference) if known is None else known.tenant_id
    return PaymentDifference(f"payment {claim.reference}", code, here, there, explanation, claim.happened_at, tenant_id)


def _paid_here(payment: OurPayment) -> str:
    return f"{money_text(payment.amount_minor, payment.currency)} paid on {payment.happened_at:%Y-%m-%d}"


def _amount_of(one: OurReturn | ReportedRefund | ReportedDispute) -> str:
    return money_text(one.amount_minor, one.currency)
