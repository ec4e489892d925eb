"""Batches of finalized invoices with all that the checks look at, in as many queries for one invoice as for hundreds.

Nothing is changed, and no rollup is read.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Q, Sum

from accounts.errors import InvalidFieldsError
from accounts.sql import fetch_all
from billing.domain.invoicing.items import OpenItem
from billing.domain.invoicing.taxes import TaxRow
from billing.domain.plan_terms import SoldVersion
from billing.domain.statuses import InvoiceStatus
from billing.models import (
    CreditNote,
    CreditSetOff,
    Invoice,
    InvoiceKind,
    PaymentAllocation,
    SingleItem,
    SubscriptionPhase,
)
from billing.selectors.catalog.plans import sold_versions
from billing.selectors.invoicing.items import items_said
from billing.selectors.invoicing.states import state_of_manual, states_of_invoices
from billing.verification.domain.batch import (
    Batch,
    PaidInvoice,
    Series,
    StoredCreditNote,
    StoredDocument,
    StoredInvoice,
    StoredLine,
    Sums,
    UnreadableVersion,
)
from billing.verification.selectors.history import (
    Fees,
    carried_by_subscription,
    corrected_by_invoice,
    credit_before,
    fees_of,
    rates_stretches_alone,
)
from billing.verification.selectors.ledger import untied_books, untied_documents
from billing.verification.selectors.said import documents_of, lines_of, taxes_of
from billing.verification.selectors.usage import checkpoints_of
from metering.selectors.span_usage import ReadUsage, raw_usage_of_spans

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
        WHERE NOT EXISTS (SELECT FROM used WHERE used.code = coalesce(s.code, c.code) AND used.n = n.n)
            ORDER BY n LIMIT %(most)s)
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


def load_batch(invoices: Sequence[Invoice], read: ReadUsage = raw_usage_of_spans) -> Batch:
    """Load finalized invoices, which come with their subscriptions, with everything that concerns them.

    `read` reads usage from the events alone.

    An invoice whose plan cannot be read is left out of `invoices`: what it was computed from is not known.
    """
    lines = lines_of(invoices)
    used = _versions_used(invoices)
    versions, unreadable = _readable_versions({version_id for _, version_id in used})
    lost = {subscription_id for subscription_id, version_id in used if version_id not in versions}
    of_periods = [invoice for invoice in invoices if invoice.boundary is not None]
    again = _stored_again(
        [row for row in invoices if row.original_id is not None and row.subscription_id not in lost], lines
    )
    notes = _credit_notes(invoices)
    numbers = [invoice.number for invoice in invoices if invoice.number is not None]
    return Batch(
        versions=tuple(versions.values()),
        unreadable=tuple(unreadable),
        invoices=(
            *_stored([row for row in of_periods if row.subscription_id not in lost], lines),
            *again,
            *_stored_manual([row for row in invoices if row.kind == InvoiceKind.MANUAL], lines),
        ),
        checkpoints=tuple(checkpoints_of(of_periods, lines, read)),
        credit_notes=tuple(notes),
        paid=tuple(_paid(invoices)),
        untied=tuple(untied_documents([invoice.pk for invoice in invoices])),
        wrong_files=tuple(_wrong_files([*numbers, *(note.document.number for note in notes)])),
    )


def load_series() -> Batch:
    """Load, over all documents, the series of numbers that do not match, and the ledger's mismatches."""
    rows = fetch_all(NUMBERS, {"most": GAPS_NAMED_MAX})
    return Batch(
        wrong_series=tuple(
            Series(str(code), last_given, last_used, documents, tuple(missing))
            for code, last_given, last_used, documents, missing in rows
        ),
        untied=tuple(untied_books()),
    )


def _stored(invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[StoredLine]]) -> list[StoredInvoice]:
    corrected = corrected_by_invoice(invoices, lines)
    carried = carried_by_subscription(invoices)
    fees = fees_of(invoices)
    taxes = taxes_of(invoices)
    documents = documents_of(invoices)
    items = _items_of(invoices, lines)
    return [
        StoredInvoice(
            **_own_facts(invoice, lines[invoice.pk], taxes[invoice.pk], documents.get(invoice.pk)),
            state=replace(
                state,
                items=tuple(items[invoice.pk]),
                **_fees_known_by(invoice, lines[invoice.pk], fees, state.time_zone),
                rates_stretches_alone=rates_stretches_alone(lines[invoice.pk]),
            ),
            credit_minor=credit_before(invoice, carried[invoice.subscription_id], lines[invoice.pk]),
            corrected=tuple(corrected[invoice.pk]),
        )
        for invoice, state in zip(invoices, states_of_invoices(invoices), strict=True)
    ]


def _own_facts(
    invoice: Invoice, lines: Sequence[StoredLine], taxes: Sequence[TaxRow], document: StoredDocument | None
) -> dict[str, Any]:
    """Return what each kind of invoice says of itself."""
    return {
        "number": invoice.number or "",
        "lines": tuple(lines),
        "lines_digest": invoice.lines_digest,
        "taxes": tuple(taxes),
        "sums": _sums(invoice),
        "issued_on": str(invoice.issued_on),
        "due_on": str(invoice.due_on),
        "document": document,
    }


def _stored_again(invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[StoredLine]]) -> list[StoredInvoice]:
    """Return replacements, each with the state and the lines of the invoice that it stands for."""
    if not invoices:
        return []
    known = Invoice.objects.select_related("subscription").in_bulk({invoice.original_id for invoice in invoices})
    originals = [known[invoice.original_id] for invoice in invoices if invoice.original_id is not None]
    original_lines = lines_of(originals)
    taxes = taxes_of(invoices)
    documents = documents_of(invoices)
    return [
        StoredInvoice(
            **_own_facts(invoice, lines[invoice.pk], taxes[invoice.pk], documents.get(invoice.pk)),
            state=state,
            credit_minor=0,
            corrected=(),
            original_lines=tuple(original_lines[original.pk]),
        )
        for invoice, original, state in zip(invoices, originals, states_of_invoices(originals), strict=True)
    ]


def _stored_manual(invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[StoredLine]]) -> list[StoredInvoice]:
    """Return invoices that staff wrote: nothing follows from a plan, and the sums follow from the lines."""
    taxes = taxes_of(invoices)
    documents = documents_of(invoices)
    return [
        StoredInvoice(
            **_own_facts(invoice, lines[invoice.pk], taxes[invoice.pk], documents.get(invoice.pk)),
            state=state_of_manual(invoice.subscription, start=invoice.period_start, end=invoice.period_end),
            credit_minor=0,
            corrected=(),
            is_manual=True,
        )
        for invoice in invoices
    ]


def _items_of(invoices: Sequence[Invoice], lines: Mapping[UUID, Sequence[StoredLine]]) -> dict[UUID, list[OpenItem]]:
    """Return the single items that lines name, as they were entered; conservation says whether they belong there."""
    named = {invoice.pk: items_said(lines[invoice.pk]) for invoice in invoices}
    wanted = {item_id for ids in named.values() for item_id in ids}
    known = SingleItem.objects.in_bulk(wanted) if wanted else {}
    return {
        pk: [OpenItem(item_id, known[item_id].item) for item_id in ids if item_id in known] for pk, ids in named.items()
    }


def _fees_known_by(invoice: Invoice, lines: Sequence[StoredLine], fees: Fees, time_zone: str) -> dict[str, Any]:
    fee, reopened = fees.known_by(invoice, lines, time_zone)
    return {"fee": fee, "reopened": reopened}


def _sums(document: Invoice | CreditNote) -> Sums:
    return Sums(document.subtotal_minor, document.tax_minor, document.total_minor, document.carried_minor)


def _versions_used(invoices: Sequence[Invoice]) -> set[tuple[UUID, int]]:
    """Return which plan versions the invoices' subscriptions have been on."""
    phases = SubscriptionPhase.objects.filter(subscription__in={invoice.subscription_id for invoice in invoices})
    return set(phases.values_list("subscription_id", "plan_version_id"))


def _readable_versions(version_ids: set[int]) -> tuple[dict[int, SoldVersion], list[UnreadableVersion]]:
    """Read all at once; one by one if one of them cannot be read."""
    try:
        return sold_versions(version_ids), []
    except InvalidFieldsError:
        versions: dict[int, SoldVersion] = {}
        unreadable = []
        for version_id in sorted(version_ids):
            try:
                versions |= sold_versions([version_id])
            except InvalidFieldsError as error:
                unreadable.append(UnreadableVersion(version_id, error.detail))
        return versions, unreadable


def _credit_notes(invoices: Sequence[Invoice]) -> list[StoredCreditNote]:
    known = [invoice.pk for invoice in invoices]
    notes = CreditNote.objects.filter(Q(invoice__in=known) | Q(part_of__in=known)).select_related("invoice", "part_of")
    return [
        StoredCreditNote(
            document=StoredDocument(note.number, note.content, note.content_digest),
            sums=_sums(note),
            invoice_number=note.of_invoice.number or "",
            invoice_sums=_sums(note.of_invoice),
            lines_minor=None if note.invoice_id else sum(line["amount_minor"] for line in note.credited_lines),
        )
        for note in notes.order_by("number")
    ]


def _paid(invoices: Sequence[Invoice]) -> list[PaidInvoice]:
    """Return the invoices that are paid; one over nothing needs no payment, and is left out."""
    paid = {invoice.pk: invoice for invoice in invoices if invoice.status == InvoiceStatus.PAID and invoice.total_minor}
    allocated = PaymentAllocation.objects.filter(invoice__in=list(paid), payment__currency=F("invoice__currency"))
    set_off = CreditSetOff.objects.filter(invoice__in=list(paid))
    settled: dict[UUID, int] = defaultdict(int)
    for rows in (allocated, set_off):
        for invoice_id, sum_minor in rows.order_by().values_list("invoice_id").annotate(Sum("amount_minor")):
            settled[invoice_id] += sum_minor
    credited = CreditNote.objects.filter(Q(invoice__in=list(paid)) | Q(part_of__in=list(paid)))
    for note in credited.select_related("invoice", "part_of").defer("content"):
        settled[note.of_invoice.pk] += note.total_minor
    return [PaidInvoice(invoice.number or "", settled[pk] == invoice.total_minor) for pk, invoice in paid.items()]


def _wrong_files(numbers: Sequence[str]) -> list[str]:
    """Return the documents whose stored PDF is not the bytes that its name is the digest of."""
    return [str(number) for (number,) in fetch_all(FILES, {"numbers": list(numbers)})]
