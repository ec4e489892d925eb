"""What stood, and on which documents in force, when an invoice was computed.

Of an invoice that was voided, credited or given up just then, both are right: `docs/algorithms/invoicing.md`, V5.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import Q

from billing.domain.invoicing.lines import CreditInPart, Used, unpaid_after_credits
from billing.models import Invoice, InvoiceLine
from billing.selectors.invoicing.corrections import is_undone
from billing.selectors.invoicing.credits_in_part import credited_by
from billing.verification.domain.batch import ARRIVAL_MARGIN, RUN_MARGIN, StoredLine

Line = TypeVar("Line", InvoiceLine, StoredLine, InvoiceLine | StoredLine)
_NOT_PAID: Final = ("forgiven_minor", "unpaid_minor", "credited_minor")


@dataclass(frozen=True, slots=True)
class LineStanding:
    """What had been invoiced of a usage line, what of that was no longer owed, and what staff had given up.

    `credits` had been credited in part.
    """

    invoiced: Used
    amount_minor: int
    forgiven_minor: int
    unpaid_minor: int
    credits: tuple[CreditInPart, ...] = ()

    @property
    def credited_minor(self) -> int:
        """Return what had been credited in part."""
        return sum(one.amount_minor for one in self.credits)

    def is_said(self, said: Mapping[str, Any]) -> bool:
        """Return whether a correction explains that this was invoiced."""
        amounts = said["amount_minor"], *(said.get(name, 0) for name in _NOT_PAID)
        return amounts == (self.amount_minor, *(getattr(self, name) for name in _NOT_PAID))


@dataclass(frozen=True, slots=True)
class Past:
    """Since when documents are not in force, and while which were given up and not paid."""

    gone_at: Mapping[UUID, datetime]
    given_up: Mapping[UUID, Sequence[tuple[datetime, datetime | None]]]

    def gone(self, at: datetime) -> set[UUID]:
        """Return the invoices that were void or credited by then."""
        return {invoice_id for invoice_id, since in self.gone_at.items() if since <= at}

    def unpaid(self, at: datetime) -> set[UUID]:
        """Return the invoices that staff had marked uncollectible by then, and that were unpaid."""
        open_ones = {
            invoice_id
            for invoice_id, spans in self.given_up.items()
            if any(since <= at and (until is None or until > at) for since, until in spans)
        }
        return open_ones - self.gone(at)


def past_of(invoice_ids: Collection[UUID]) -> Past:
    """Load whether invoices of periods, and the documents issued in their place, were paid, voided or credited."""
    rows = list(
        Invoice.objects.filter(Q(pk__in=invoice_ids) | Q(original__in=invoice_ids)).values_list(
            "pk", "original_id", "uncollectible_at", "paid_at", "voided_at", "credit_note__issued_at"
        )
    )
    gone: dict[UUID, list[datetime | None]] = defaultdict(list)
    given_up: dict[UUID, list[tuple[datetime, datetime | None]]] = defaultdict(list)
    for pk, original_id, since, paid_at, *taken_back in rows:
        until = _first(taken_back)
        gone[original_id or pk].append(until)
        if since is not None:
            given_up[original_id or pk].append((since, _first([paid_at, until])))
    # One that was issued again is not in force once the last in its place is not.
    ended = {pk: [one for one in moments if one is not None] for pk, moments in gone.items()}
    return Past({pk: max(ended[pk]) for pk, moments in gone.items() if len(ended[pk]) == len(moments)}, given_up)


def taken_back_at(invoice_ids: set[UUID]) -> dict[UUID, datetime]:
    """Return of these documents, each by itself, those that were voided or credited, and since when."""
    rows = Invoice.objects.filter(pk__in=invoice_ids).values_list("pk", "voided_at", "credit_note__issued_at")
    found = {pk: _first(moments) for pk, *moments in rows}
    return {pk: moment for pk, moment in found.items() if moment is not None}


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def moments_of(invoice: Invoice) -> tuple[datetime, ...]:
    """Return the moments as of which an invoice may have seen others paid, voided or credited, the likeliest first."""
    at = invoice.computed_at
    return at, at - ARRIVAL_MARGIN, at + RUN_MARGIN


def standing_before(
    invoice: Invoice,
    correction: StoredLine | None,
    before: Sequence[InvoiceLine],
    past: Past,
    *,
    is_old: bool,
    given: Sequence[CreditInPart] = (),
) -> LineStanding:
    """Return what had been invoiced of a usage line, its own and `before`, when the invoice was computed.

    `given` is what was credited of it in part.
    """
    possible = [_standing(before, past, moment, is_old=is_old, given=given) for moment in moments_of(invoice)]
    said = {} if correction is None else correction.explanation.get("invoiced")
    if not isinstance(said, Mapping) or "amount_minor" not in said:
        return possible[0]
    return next((standing for standing in possible if standing.is_said(said)), possible[0])


def counted_at(lines: Sequence[Line], past: Past, at: datetime) -> list[Line]:
    """Return the lines that counted then: what gave something back on a document not in force never happened."""
    gone = past.gone(at)
    return [line for line in lines if not is_undone(line, is_gone=line.invoice_id in gone)]


def sum_of(lines: Sequence[InvoiceLine | StoredLine]) -> Used:
    """Return what lines come to together."""
    used = Used(lines[0].quantity, lines[0].events or 0)
    for line in lines[1:]:
        used = used.plus(line.quantity, line.events or 0)
    return used


def _standing(
    before: Sequence[InvoiceLine], past: Past, at: datetime, *, is_old: bool, given: Sequence[CreditInPart]
) -> LineStanding:
    """Return what stood at a moment. Invoices from before lines bore their tax counted what was undone as well."""
    gone, unpaid = past.gone(at), set() if is_old else past.unpaid(at)
    counted = before if is_old else counted_at(before, past, at)
    credited = credited_by(given, at)
    given_up = [one for one in counted if one.invoice_id in unpaid]
    unpaid_minor = sum(max(one.amount_minor, 0) for one in given_up)
    return LineStanding(
        sum_of(counted),
        sum(one.amount_minor for one in counted),
        sum(one.amount_minor for one in counted if one.invoice_id in gone),
        unpaid_after_credits(unpaid_minor, {one.pk for one in given_up}, credited),
        credited,
    )
