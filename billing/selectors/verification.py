"""Verification: every finalized invoice computed again from the raw ledger, batch by batch, and each difference named.

It changes nothing, and reads no rollup. `docs/algorithms/invoicing.md`, section V, has the rules.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Final
from uuid import UUID

from django.db.models import F, Max

from accounts.errors import InvalidFieldsError
from accounts.sql import fetch_all
from billing.domain.documents import digest_of_content
from billing.domain.invoicing.lines import InvoicedUsage, LineDraft, Used
from billing.domain.plan_terms import PriceOffer, SoldVersion, digest_of
from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxDecision, TaxTreatment
from billing.domain.verification import (
    ARRIVAL_MARGIN,
    RUN_MARGIN,
    Bounds,
    Difference,
    StoredInvoice,
    content_differences,
    described,
    differences_of,
)
from billing.models import (
    CreditNote,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    LineKind,
    Payment,
    PaymentStatus,
    SubscriptionPhase,
)
from billing.selectors.catalog.plans import sold_versions
from billing.selectors.invoicing.computation import states_of_invoices
from metering.domain.periods import Span
from metering.selectors.span_usage import SpanUsage, UsageSpan, raw_usage_of_spans

GAPS_NAMED_MAX: Final = 20

NUMBERS = """
WITH given AS (
    SELECT number FROM billing_invoice WHERE number IS NOT NULL UNION ALL SELECT number FROM billing_creditnote
), used AS (
    SELECT substring(number FROM '^(.*)-[0-9]+$') AS code, substring(number FROM '([0-9]+)$')::bigint AS n FROM given
), counted AS (
    SELECT code, max(n) AS last, count(DISTINCT n) AS different, count(*) AS given FROM used GROUP BY code
)
SELECT coalesce(s.code, c.code), coalesce(s.last_number, 0), coalesce(c.last, 0), coalesce(c.given, 0),
    ARRAY(SELECT n FROM generate_series(1, greatest(s.last_number, c.last)) AS n
        WHERE NOT EXISTS (SELECT FROM used WHERE used.code = coalesce(s.code, c.code) AND used.n = n.n) ORDER BY n LIMIT %(most)s)
FROM billing_numberseries AS s FULL JOIN counted AS c ON c.code = s.code
WHERE coalesce(s.last_number, 0) <> coalesce(c.last, 0) OR coalesce(c.last, 0) <> coalesce(c.different, 0)
    OR coalesce(c.given, 0) <> coalesce(c.different, 0)
ORDER BY 1
"""

FILES = """
SELECT d.number FROM billing_documentfile AS d LEFT JOIN accounts_storedfile AS f ON f.sha256 = d.file_id
WHERE d.number = ANY(%(numbers)s) AND (f.content IS NULL OR encode(sha256(f.content), 'hex') <> f.sha256)
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """What had been invoiced of a usage line when an invoice was computed."""

    number: str
    position: int
    computed_at: datetime
    invoiced: Used


@dataclass(frozen=True, slots=True)
class _Carry:
    """A carry line; `gone_at` is when its invoice was voided or credited, and the line stopped to count."""

    boundary: int
    amount_minor: int
    gone_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Versions:
    """The plan versions that a batch needs: what is wrong with them, and whose prices cannot even be read."""

    differences: tuple[Difference, ...]
    unreadable_subscriptions: frozenset[UUID]


def verify_invoices(invoices: Sequence[Invoice]) -> list[Difference]:
    """Verify finalized invoices, which come with their subscriptions; the queries are as many for one as for hundreds."""
    lines = _lines_of(invoices)
    versions = _verify_versions(invoices)
    found = list(versions.differences)
    readable = [row for row in invoices if row.subscription_id not in versions.unreadable_subscriptions]
    corrected = _corrected(readable, lines)
    carried = _carried(readable)
    fees_gone = _fees_gone_at(readable)
    documents = InvoiceDocument.objects.in_bulk([invoice.pk for invoice in readable])
    for invoice, state in zip(readable, states_of_invoices(readable), strict=True):
        stored = StoredInvoice(
            number=invoice.number or "",
            state=replace(state, is_fee_forgiven=_is_fee_forgiven(invoice, fees_gone, lines[invoice.pk])),
            lines=tuple(_draft_of(line) for line in lines[invoice.pk]),
            lines_digest=invoice.lines_digest,
            tax=TaxDecision(
                TaxTreatment(invoice.tax_treatment), invoice.tax_name, invoice.tax_percent, invoice.tax_note
            ),
            subtotal_minor=invoice.subtotal_minor,
            tax_minor=invoice.tax_minor,
            total_minor=invoice.total_minor,
            issued_on=str(invoice.issued_on),
            due_on=str(invoice.due_on),
            credit_minor=_credit_before(invoice, carried[invoice.subscription_id], lines[invoice.pk]),
            corrected=tuple(corrected[invoice.pk]),
        )
        found += differences_of(stored)
        found += _document_differences(stored, documents.get(invoice.pk))
    found += _usage_differences(invoices, lines)
    found += _credit_note_differences(invoices)
    found += _payment_differences(invoices)
    return found


def verify_files(numbers: Sequence[str]) -> list[Difference]:
    """Verify the stored PDFs of documents: the bytes are those that their name is the digest of."""
    rows = fetch_all(FILES, {"numbers": list(numbers)})
    return [Difference(number, "file", "The stored PDF is not the one that was rendered.") for (number,) in rows]


def verify_numbers() -> list[Difference]:
    """Verify that each series gives every number up to its last exactly once."""
    found = []
    for code, last_given, last_used, given, missing in fetch_all(NUMBERS, {"most": GAPS_NAMED_MAX}):
        if missing:
            named = ", ".join(f"{code}-{number:06}" for number in missing)
            found.append(Difference(str(code), "numbers", f"Missing: {named}."))
        if last_given != last_used:
            found.append(
                Difference(str(code), "numbers", f"Its counter says {last_given}, the last used is {last_used}.")
            )
        if not missing and last_given == last_used:
            found.append(Difference(str(code), "numbers", f"{given} documents have numbers, which end at {last_used}."))
    return found


def _lines_of(invoices: Sequence[Invoice]) -> dict[UUID, list[InvoiceLine]]:
    lines: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in InvoiceLine.objects.filter(
        invoice__in=[invoice.pk for invoice in invoices], revision=F("invoice__revision")
    ).order_by("invoice", "position"):
        lines[line.invoice_id].append(line)
    return lines


def _draft_of(line: InvoiceLine) -> LineDraft:
    return LineDraft(
        kind=line.kind,
        description=line.description,
        period=Span(line.period_start, line.period_end),
        quantity=line.quantity,
        amount_minor=line.amount_minor,
        explanation=line.explanation,
        plan_version_id=line.plan_version_id,
        price_id=line.price_id,
        meter_id=line.meter_id,
        adjusts_id=line.adjusts_id,
        unit=line.unit,
        events=line.events,
    )


def _verify_versions(invoices: Sequence[Invoice]) -> _Versions:
    """Compare the plan versions of the invoices' subscriptions with their digests."""
    phases = SubscriptionPhase.objects.filter(subscription__in={invoice.subscription_id for invoice in invoices})
    used = set(phases.values_list("subscription_id", "plan_version_id"))
    versions, found = _readable_versions({version_id for _, version_id in used})
    for version in versions.values():
        if _digest_of_version(version) != version.digest:
            name = f"{version.plan_code} v{version.number}"
            found.append(Difference(name, "price", "Its prices are not those that were published."))
    unreadable = frozenset(subscription_id for subscription_id, version_id in used if version_id not in versions)
    return _Versions(tuple(found), unreadable)


def _readable_versions(version_ids: set[int]) -> tuple[dict[int, SoldVersion], list[Difference]]:
    """All at once; one by one where one of them cannot be read."""
    try:
        return sold_versions(version_ids), []
    except InvalidFieldsError:
        versions: dict[int, SoldVersion] = {}
        found = []
        for version_id in sorted(version_ids):
            try:
                versions |= sold_versions([version_id])
            except InvalidFieldsError as error:
                found.append(Difference(f"plan version {version_id}", "price", f"It cannot be read: {error.detail}"))
        return versions, found


def _digest_of_version(version: SoldVersion) -> str:
    return digest_of(
        plan_code=version.plan_code,
        number=version.number,
        trial_days=version.trial_days,
        usage_plan_code=version.usage_plan_code,
        prices=[PriceOffer(price.currency, price.terms, price.meter_code or None) for price in version.prices],
    )


def _corrected(
    invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[InvoiceLine]]
) -> dict[UUID, list[InvoicedUsage]]:
    """For each adjustment line, in the invoice's order, what had been invoiced of its usage before, and what it came to then."""
    adjusting = [
        (invoice, line) for invoice in invoices for line in lines[invoice.pk] if line.kind == LineKind.ADJUSTMENT
    ]
    root_ids = {line.adjusts_id for _, line in adjusting}
    roots = InvoiceLine.objects.select_related("invoice").in_bulk([pk for pk in root_ids if pk is not None])
    earlier = _corrections_of(root_ids)
    gone = _gone_at({one.invoice_id for one in (*roots.values(), *chain(*earlier.values()))})
    version_ids = {line.plan_version_id for line in roots.values() if line.plan_version_id is not None}
    prices = {price.id: price for version in sold_versions(version_ids).values() for price in version.prices}
    corrected: dict[UUID, list[InvoicedUsage]] = defaultdict(list)
    for invoice, line in adjusting:
        assert line.adjusts_id is not None, "an adjustment has its line"
        root = roots[line.adjusts_id]
        assert root.price_id is not None, "a usage line has its price"
        assert root.plan_version_id is not None, "a usage line has its plan"
        before = [root, *(one for one in earlier[root.pk] if one.invoice.boundary < invoice.boundary)]
        invoiced = _sum(before)
        corrected[invoice.pk].append(
            InvoicedUsage(
                line_id=root.pk,
                number=root.invoice.number or "",
                plan_version_id=root.plan_version_id,
                price=prices[root.price_id],
                span=Span(root.period_start, root.period_end),
                invoiced=invoiced,
                amount_minor=sum(one.amount_minor for one in before),
                forgiven_minor=_forgiven(invoice, line, before, gone),
                now=_sum([*before, line]),
            )
        )
    return corrected


def _fees_gone_at(invoices: Sequence[Invoice]) -> dict[tuple[UUID, int], datetime]:
    """Of the same subscriptions the invoices, by boundary, that were voided or credited, and since when."""
    same = Invoice.objects.filter(subscription__in={invoice.subscription_id for invoice in invoices})
    ids = {
        pk: (subscription_id, boundary)
        for pk, subscription_id, boundary in same.values_list("pk", "subscription_id", "boundary")
    }
    return {ids[pk]: moment for pk, moment in _gone_at(set(ids)).items()}


def _is_fee_forgiven(invoice: Invoice, gone: Mapping[tuple[UUID, int], datetime], lines: Sequence[InvoiceLine]) -> bool:
    """Whether nobody owed the fee of its period. Where that invoice was voided just then, both are right."""
    gone_at = gone.get((invoice.subscription_id, invoice.boundary - 1))
    if gone_at is None:
        return False
    at = invoice.computed_at
    possible = [gone_at <= moment for moment in (at, at - ARRIVAL_MARGIN, at + RUN_MARGIN)]
    said = any(line.kind == LineKind.PRORATION and "is_forgiven" in line.explanation for line in lines)
    return said if said in possible else possible[0]


def _gone_at(invoice_ids: set[UUID]) -> dict[UUID, datetime]:
    """Of these invoices those that were voided or credited, and since when."""
    rows = Invoice.objects.filter(pk__in=invoice_ids).values_list("pk", "voided_at", "credit_note__issued_at")
    found = {pk: [moment for moment in moments if moment is not None] for pk, *moments in rows}
    return {pk: min(moments) for pk, moments in found.items() if moments}


def _forgiven(
    invoice: Invoice, correction: InvoiceLine, before: Sequence[InvoiceLine], gone: Mapping[UUID, datetime]
) -> int:
    """What of the amounts before nobody owed any more. Of an invoice that was voided just then, both are right."""

    def stood_at(moment: datetime) -> int:
        return sum(one.amount_minor for one in before if one.invoice_id in gone and gone[one.invoice_id] <= moment)

    at = invoice.computed_at
    possible = [stood_at(moment) for moment in (at, at - ARRIVAL_MARGIN, at + RUN_MARGIN)]
    invoiced = correction.explanation.get("invoiced", {})
    said = invoiced.get("forgiven_minor", 0) if isinstance(invoiced, Mapping) else 0
    return said if said in possible else possible[0]


def _corrections_of(root_ids: set[int | None]) -> dict[int, list[InvoiceLine]]:
    """The adjustment lines of usage lines, on finalized invoices, in their order."""
    corrections: dict[int, list[InvoiceLine]] = defaultdict(list)
    lines = InvoiceLine.objects.filter(
        adjusts__in=root_ids, invoice__status__in=set(InvoiceStatus) - {InvoiceStatus.DRAFT}
    ).filter(revision=F("invoice__revision"))
    for line in lines.select_related("invoice").order_by("invoice__boundary", "pk"):
        if line.adjusts_id is not None:
            corrections[line.adjusts_id].append(line)
    return corrections


def _sum(lines: Sequence[InvoiceLine]) -> Used:
    used = Used(lines[0].quantity, lines[0].events or 0)
    for line in lines[1:]:
        used = used.plus(line.quantity, line.events or 0)
    return used


def _carried(invoices: Sequence[Invoice]) -> dict[UUID, list[_Carry]]:
    """What invoices left in the customers' favour and used of it, by subscription."""
    rows = (
        InvoiceLine.objects.filter(
            invoice__subscription__in={invoice.subscription_id for invoice in invoices},
            revision=F("invoice__revision"),
            kind=LineKind.CARRY,
        )
        .exclude(invoice__status=InvoiceStatus.DRAFT)
        .values_list(
            "invoice__subscription_id",
            "invoice__boundary",
            "amount_minor",
            "invoice__voided_at",
            "invoice__credit_note__issued_at",
        )
    )
    carried: dict[UUID, list[_Carry]] = defaultdict(list)
    for subscription_id, boundary, amount_minor, voided_at, credited_at in rows:
        ends = [moment for moment in (voided_at, credited_at) if moment is not None]
        carried[subscription_id].append(_Carry(boundary, amount_minor, min(ends, default=None)))
    return carried


def _credit_before(invoice: Invoice, carried: Sequence[_Carry], lines: Sequence[InvoiceLine]) -> int:
    """What the invoice had to take off. Of an invoice that was voided just then, both are right."""

    def stood_at(moment: datetime) -> int:
        return sum(
            carry.amount_minor
            for carry in carried
            if carry.boundary < invoice.boundary and (carry.gone_at is None or carry.gone_at > moment)
        )

    at = invoice.computed_at
    possible = [stood_at(moment) for moment in (at, at - ARRIVAL_MARGIN, at + RUN_MARGIN)]
    used = -sum(line.amount_minor for line in lines if line.kind == LineKind.CARRY and line.amount_minor < 0)
    return used if used in possible else possible[0]


def _document_differences(stored: StoredInvoice, document: InvoiceDocument | None) -> Iterator[Difference]:
    if document is None:
        yield Difference(stored.number, "document", "It has none.")
        return
    if digest_of_content(document.content) != document.content_digest:
        yield Difference(stored.number, "document_digest", "The document is not the one that was issued.")
    yield from content_differences(stored, document.content)


def _usage_differences(
    invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[InvoiceLine]]
) -> Iterator[Difference]:
    """Compare each usage line, and what later invoices corrected of it, with the events."""
    latest = _latest_by_subscription(invoices)
    roots = [(invoice, line) for invoice in invoices for line in lines[invoice.pk] if line.kind == LineKind.USAGE]
    corrections = _corrections_of({line.pk for _, line in roots})
    spans = [
        UsageSpan(invoice.tenant_id, line.meter_id or 0, line.period_start, line.period_end) for invoice, line in roots
    ]
    questions: list[tuple[UsageSpan, _Checkpoint]] = []
    for (invoice, line), span, now in zip(roots, spans, raw_usage_of_spans(spans), strict=True):
        corrected = corrections[line.pk]
        if not corrected and _sum([line]) == _used(now):
            continue
        checkpoints = _checkpoints(invoice, line, corrected, latest[invoice.subscription_id])
        questions += [(span, checkpoint) for checkpoint in checkpoints]
    for bounds, checkpoint in zip(_bounds(questions), (asked for _, asked in questions), strict=True):
        if not bounds.hold(checkpoint.invoiced):
            yield Difference(
                checkpoint.number,
                "usage",
                f"Line {checkpoint.position}: with its corrections up to then it has {described(checkpoint.invoiced)},"
                f" the ledger had {bounds}.",
            )


def _latest_by_subscription(invoices: Sequence[Invoice]) -> dict[UUID, datetime]:
    """When the latest finalized invoice of each subscription was computed: up to then corrections are to be expected."""
    rows = (
        Invoice.objects.issued()
        .filter(subscription__in={invoice.subscription_id for invoice in invoices})
        .values_list("subscription_id")
        .annotate(latest=Max("computed_at"))
    )
    return dict(rows)


def _checkpoints(
    invoice: Invoice, line: InvoiceLine, corrections: Sequence[InvoiceLine], latest: datetime
) -> Iterator[_Checkpoint]:
    """The moments at which what was invoiced of the line had to be what the ledger said."""
    number, counted = invoice.number or "", [line]
    yield _Checkpoint(number, line.position, invoice.computed_at, _sum(counted))
    last = invoice.computed_at
    for correction in corrections:
        counted.append(correction)
        last = correction.invoice.computed_at
        yield _Checkpoint(correction.invoice.number or "", correction.position, last, _sum(counted))
    if latest > last:
        yield _Checkpoint(number, line.position, latest, _sum(counted))


def _bounds(questions: Sequence[tuple[UsageSpan, _Checkpoint]]) -> list[Bounds]:
    """What the computation at each checkpoint can have seen of the span."""
    asked = []
    for span, checkpoint in questions:
        early, late = checkpoint.computed_at - ARRIVAL_MARGIN, checkpoint.computed_at + RUN_MARGIN
        where = span.tenant_id, span.meter_id, span.start, span.end
        asked += [UsageSpan(*where, known_at=early, voids_known_at=late)]
        asked += [UsageSpan(*where, known_at=late, voids_known_at=early)]
    usage = iter(raw_usage_of_spans(asked))
    return [Bounds(_used(least), _used(most)) for least, most in zip(usage, usage, strict=True)]


def _used(usage: SpanUsage) -> Used:
    return Used.of(usage.quantity, usage.events)


def _payment_differences(invoices: Sequence[Invoice]) -> Iterator[Difference]:
    """An invoice that is paid has its payment; one over nothing needs none."""
    paid = {invoice.pk: invoice for invoice in invoices if invoice.status == InvoiceStatus.PAID and invoice.total_minor}
    payments = Payment.objects.filter(
        invoice__in=list(paid),
        status=PaymentStatus.SUCCEEDED,
        amount_minor=F("invoice__total_minor"),
        currency=F("invoice__currency"),
    )
    settled = set(payments.values_list("invoice_id", flat=True))
    for pk, invoice in paid.items():
        if pk not in settled:
            yield Difference(invoice.number or "", "payment", "It is paid, and there is no payment over its total.")


def _credit_note_differences(invoices: Sequence[Invoice]) -> Iterator[Difference]:
    """A credit note takes back its whole invoice, and says what was issued."""
    notes = CreditNote.objects.filter(invoice__in=[invoice.pk for invoice in invoices]).select_related("invoice")
    for note in notes.order_by("number"):
        if digest_of_content(note.content) != note.content_digest:
            yield Difference(note.number, "document_digest", "The document is not the one that was issued.")
        for name in ("subtotal_minor", "tax_minor", "total_minor"):
            sums = {getattr(note, name), getattr(note.invoice, name), note.content.get(name)}
            if len(sums) > 1:
                yield Difference(note.number, "credit_note", f"Its {name} is not that of {note.invoice.number}.")
