"""What had been invoiced, taken back and left over when an invoice was computed, so that it can be computed again.

Of an invoice that was voided or credited just then, both are right: `docs/algorithms/invoicing.md`, V5.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from uuid import UUID

from django.db.models import F

from billing.domain.invoicing.lines import InvoicedUsage
from billing.domain.invoicing.state import InvoicedFee, Reopened
from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxDecision
from billing.models import (
    CreditSetOff,
    Invoice,
    InvoiceLine,
    LineKind,
)
from billing.selectors.catalog.plans import sold_versions
from billing.selectors.invoicing.credit import credit_of
from billing.selectors.invoicing.credits_in_part import credits_in_part
from billing.selectors.invoicing.in_force import TaxesAgain, tax_borne, taxes_again
from billing.selectors.invoicing.reopened import REOPENED, fees_and_shares, open_of
from billing.verification.domain.batch import ARRIVAL_MARGIN, RUN_MARGIN, StoredLine
from billing.verification.selectors.standing import Past, moments_of, past_of, standing_before, taken_back_at
from metering.domain.periods import Span


@dataclass(frozen=True, slots=True)
class Carry:
    """A carry line; `gone_at` is when its invoice was voided or credited, and the line stopped to count.

    `since` is when a replacement was issued, or when credit was set off, which is a line below nothing.

    `amount_minor` is without the tax that it is worth on old invoices, `credit_minor` with it.
    """

    boundary: int
    amount_minor: int
    credit_minor: int
    gone_at: datetime | None
    since: datetime | None = None

    def counts_at(self, moment: datetime) -> bool:
        """Return whether it was on a document in force; that of a period is there before any that looks back."""
        is_issued = self.since is None or self.since <= moment
        return is_issued and (self.gone_at is None or self.gone_at > moment)


def corrected_by_invoice(
    invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[StoredLine]]
) -> dict[UUID, list[InvoicedUsage]]:
    """Return for each adjustment line what had been invoiced of its usage before, and its amount.

    The lines are in the invoice's order.
    """
    adjusting = [
        (invoice, line) for invoice in invoices for line in lines[invoice.pk] if line.kind == LineKind.ADJUSTMENT
    ]
    root_ids = {line.adjusts_id for _, line in adjusting}
    roots = InvoiceLine.objects.select_related("invoice").in_bulk([pk for pk in root_ids if pk is not None])
    stretches = _stretches_beside(roots.values())
    earlier = corrections_of(root_ids | {one.pk for others in stretches.values() for one in others})
    past = past_of({one.invoice_id for one in (*roots.values(), *chain(*earlier.values()))})
    again = taxes_again([*roots.values(), *chain(*stretches.values())])
    given = credits_in_part({root.invoice.subscription_id for root in roots.values()})
    every_root = [*roots.values(), *chain(*stretches.values())]
    version_ids = {line.plan_version_id for line in every_root if line.plan_version_id is not None}
    prices = {price.id: price for version in sold_versions(version_ids).values() for price in version.prices}
    corrected: dict[UUID, list[InvoicedUsage]] = defaultdict(list)

    def add(invoice: Invoice, root: InvoiceLine, correction: StoredLine | None) -> None:
        assert root.price_id is not None, "a usage line has its price"
        assert root.plan_version_id is not None, "a usage line has its plan"
        before = [root, *(one for one in earlier[root.pk] if one.invoice.boundary_closed < invoice.boundary_closed)]
        is_old = is_old_invoice(lines[invoice.pk])
        standing = standing_before(invoice, correction, before, past, is_old=is_old, given=given.get(root.pk, ()))
        corrected[invoice.pk].append(
            InvoicedUsage(
                line_id=root.pk,
                number=root.invoice.number or "",
                plan_version_id=root.plan_version_id,
                price=prices[root.price_id],
                span=Span(root.period_start, root.period_end),
                invoiced=standing.invoiced,
                amount_minor=standing.amount_minor,
                forgiven_minor=standing.forgiven_minor,
                unpaid_minor=standing.unpaid_minor,
                credits=standing.credits,
                is_touched=correction is not None,
                now=standing.invoiced
                if correction is None
                else standing.invoiced.plus(correction.quantity, correction.events or 0),
                is_stretch="position" in root.explanation,
                tax=tax_then(invoice, root, again, correction),
            )
        )

    adjusted: dict[UUID, set[int]] = defaultdict(set)
    for invoice, line in adjusting:
        assert line.adjusts_id is not None, "an adjustment has its line"
        adjusted[invoice.pk].add(line.adjusts_id)
        add(invoice, roots[line.adjusts_id], line)
    # What was not corrected has a part in the positions of what was.
    for invoice in invoices:
        beside = {one.pk: one for pk in sorted(adjusted[invoice.pk]) for one in stretches[pk]}
        for pk, one in beside.items():
            if pk not in adjusted[invoice.pk]:
                add(invoice, one, None)
    return corrected


def tax_then(
    invoice: Invoice, line: InvoiceLine, again: TaxesAgain, correction: StoredLine | None
) -> TaxDecision | None:
    """Return the tax that a line bore when an invoice was computed. Issued again just then, both are right."""
    possible = [tax_borne(line, again, moment) for moment in moments_of(invoice)]
    said = None if correction is None else correction.tax
    return said if said in possible else possible[0]


def _stretches_beside(roots: Iterable[InvoiceLine]) -> dict[int, list[InvoiceLine]]:
    """Return by line the stretches that are rated together with it: those of its meter on its invoice."""
    wanted = [root for root in roots if "position" in root.explanation]
    lines = InvoiceLine.objects.filter(
        invoice__in={root.invoice_id for root in wanted}, revision=F("invoice__revision"), kind=LineKind.USAGE
    )
    together: dict[tuple[UUID, int | None], list[InvoiceLine]] = defaultdict(list)
    for line in lines.select_related("invoice").order_by("pk"):
        together[line.invoice_id, line.meter_id].append(line)
    return defaultdict(list, {root.pk: together[root.invoice_id, root.meter_id] for root in wanted})


def rates_stretches_alone(lines: Sequence[StoredLine]) -> bool:
    """Return whether an invoice is from before the stretches of a period were rated together."""
    stretches = Counter(line.meter_id for line in lines if line.kind == LineKind.USAGE)
    return any(
        line.kind == LineKind.USAGE and stretches[line.meter_id] > 1 and "position" not in line.explanation
        for line in lines
    )


def is_old_invoice(lines: Sequence[StoredLine]) -> bool:
    """Return whether an invoice is from before lines bore their tax."""
    return any(line.supplied_on is None for line in lines)


@dataclass(frozen=True, slots=True)
class Fees:
    """The fees and shares of fees of some subscriptions, by boundary, and whether their invoices still hold."""

    lines: Mapping[UUID, Sequence[InvoiceLine]]
    past: Past
    again: TaxesAgain

    def known_by(
        self, invoice: Invoice, lines: Sequence[StoredLine], time_zone: str
    ) -> tuple[InvoicedFee | None, tuple[Reopened, ...]]:
        """Return the fee of an invoice's period, and what was open again of others, when it was computed."""
        earlier = [
            line
            for line in self.lines[invoice.subscription_id]
            if line.invoice.boundary_closed < invoice.boundary_closed
        ]
        fees = [
            line
            for line in earlier
            if line.kind == LineKind.RECURRING and line.invoice.boundary_closed == invoice.boundary_closed - 1
        ]
        if is_old_invoice(lines):
            return (self._fee(invoice, lines, fees[0], is_old=True) if fees else None), ()
        fee = self._fee(invoice, lines, fees[0], is_old=False) if fees else None
        possible = [
            tuple(
                open_of(
                    earlier,
                    time_zone,
                    gone=self.past.gone(moment),
                    unpaid=self.past.unpaid(moment),
                    taxes={line.pk: tax_borne(line, self.again, moment) for line in earlier},
                )
            )
            for moment in moments_of(invoice)
        ]
        said = [(line.adjusts_id, line.amount_minor) for line in lines if line.explanation["model"] == REOPENED]
        found = (one for one in possible if [(again.line_id, again.amount_minor) for again in one] == said)
        return fee, next(found, possible[0])

    def _fee(self, invoice: Invoice, lines: Sequence[StoredLine], line: InvoiceLine, *, is_old: bool) -> InvoicedFee:
        """Return the fee. If its invoice was voided just then, both are right."""
        possible = [
            (line.invoice_id in self.past.gone(moment), not is_old and line.invoice_id in self.past.unpaid(moment))
            for moment in moments_of(invoice)
        ]
        shares = [one.explanation for one in lines if one.kind == LineKind.PRORATION]
        said = any("is_forgiven" in one for one in shares), any("withheld_minor" in one for one in shares)
        found = (one for one in possible if (any(one), one[1]) == said)
        is_forgiven, is_unpaid = next(found, possible[0])
        # Lines from before lines bore their tax do not name what they correct.
        correcting = next((one for one in lines if one.adjusts_id == line.pk), None)
        tax = tax_then(invoice, line, self.again, correcting)
        return InvoicedFee(None if is_old else line.pk, tax, is_forgiven=is_forgiven, is_unpaid=is_unpaid)


def fees_of(invoices: Sequence[Invoice]) -> Fees:
    """Load the fees of the same subscriptions."""
    found = fees_and_shares({invoice.subscription_id for invoice in invoices})
    lines: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in found:
        lines[line.invoice.subscription_id].append(line)
    return Fees(lines, past_of({line.invoice_id for line in found}), taxes_again(found))


def corrections_of(root_ids: set[int | None]) -> dict[int, list[InvoiceLine]]:
    """Return the adjustment lines of usage lines, on finalized invoices, in their order."""
    corrections: dict[int, list[InvoiceLine]] = defaultdict(list)
    lines = InvoiceLine.objects.filter(
        adjusts__in=root_ids,
        invoice__boundary__isnull=False,
        invoice__status__in=set(InvoiceStatus) - {InvoiceStatus.DRAFT},
    ).filter(revision=F("invoice__revision"))
    for line in lines.select_related("invoice").order_by("invoice__boundary", "pk"):
        if line.adjusts_id is not None:
            corrections[line.adjusts_id].append(line)
    return corrections


def carried_by_subscription(invoices: Sequence[Invoice]) -> dict[UUID, list[Carry]]:
    """Return what invoices left in the customers' favour and used of it, by subscription."""
    rows = (
        InvoiceLine.objects.filter(
            invoice__subscription__in={invoice.subscription_id for invoice in invoices},
            revision=F("invoice__revision"),
            kind=LineKind.CARRY,
        )
        .exclude(invoice__status=InvoiceStatus.DRAFT)
        .select_related("invoice__original")
        .defer("explanation")
    )
    gone = taken_back_at({line.invoice_id for line in rows})
    carried: dict[UUID, list[Carry]] = defaultdict(list)
    for line in rows:
        since = None if line.invoice.original_id is None else line.invoice.finalized_at
        gone_at = gone.get(line.invoice_id)
        carry = Carry(line.invoice.boundary_closed, line.amount_minor, credit_of(line), gone_at, since)
        carried[line.invoice.subscription_id].append(carry)
    set_off = CreditSetOff.objects.filter(exception__subscription__in=list(carried))
    for subscription_id, minor, at in set_off.values_list("exception__subscription", "amount_minor", "created_at"):
        carried[subscription_id].append(Carry(-1, -minor, -minor, None, at))
    return carried


def credit_before(invoice: Invoice, carried: Sequence[Carry], lines: Sequence[StoredLine]) -> int:
    """Return what the invoice had to take off. Of an invoice that was voided just then, both are right."""
    is_old = is_old_invoice(lines)

    def stood_at(moment: datetime) -> int:
        return sum(
            carry.amount_minor if is_old else carry.credit_minor
            for carry in carried
            if carry.boundary < invoice.boundary_closed and carry.counts_at(moment)
        )

    at = invoice.computed_at
    possible = [stood_at(moment) for moment in (at, at - ARRIVAL_MARGIN, at + RUN_MARGIN)]
    used = -sum(line.amount_minor for line in lines if line.kind == LineKind.CARRY and line.amount_minor < 0)
    return used if used in possible else possible[0]
