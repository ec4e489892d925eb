"""Finalizing: a draft whose grace is over is computed once more, numbered, and never changes again.

Number, tax, lines and the document's content are written in one transaction for a batch. What follows from it (the PDF,
the mail, the collection) is found by its state afterwards and may be retried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.database.binary import of_jsons, of_texts, of_uuids
from accounts.domain.actor import Actor
from accounts.notices.services.outbox import add_to_outbox
from accounts.services.collecting import without_collecting
from accounts.sql import as_json, fetch_all, sendable
from billing.domain.booking import IssuedInvoice, LineToBook, booked_document, days_booked
from billing.domain.documents import (
    CUSTOMER_FIELDS,
    ISSUER_FIELDS,
    Heading,
    Replaced,
    invoice_content,
    sealed_content,
)
from billing.domain.exchange import Conversion
from billing.domain.happenings import InvoiceFinalized, InvoiceHappening, InvoicePaid
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.taxes import merchant_of
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.ledger.domain.entries import TaxSum
from billing.models import BillingProfile, Invoice, Issuer
from billing.selectors.facts import facts_of_invoice
from billing.selectors.invoicing.computation import Unbillable, compute_invoices
from billing.selectors.invoicing.due import Due, ripe_invoices, waits_for_a_person
from billing.selectors.invoicing.issuing import bears_tax, ready_to_issue, ways_to_own_currency
from billing.selectors.invoicing.states import states_of_invoices
from billing.services.booking import book_invoices
from billing.services.invoicing.drafting import BATCH_SIZE, Drafted
from billing.services.invoicing.exceptions import park, report_credit_left
from billing.services.invoicing.items import take_items
from billing.services.invoicing.kept_money import PaymentShare, Purse, locked_purses, spend, take_from
from billing.services.invoicing.lines import store_lines
from billing.services.invoicing.numbering import take_numbers_for
from billing.services.invoicing.status import record_change
from metering.domain.periods import local_day

INVOICE_PATH = "/t/{slug}/invoices/{number}/"

FINALIZE = """
UPDATE billing_invoice AS i SET
    status = f.status, number = f.number, merchant_of_record = f.merchant_of_record,
    revision = f.revision, lines_digest = f.lines_digest, subtotal_minor = f.subtotal_minor,
    tax_minor = f.tax_minor, carried_minor = f.carried_minor, total_minor = f.total_minor,
    computed_at = f.computed_at, finalized_at = %(as_of)s,
    issued_on = %(issued_on)s, due_on = f.due_on, paid_at = f.paid_at, amount_paid_minor = f.amount_paid_minor
FROM jsonb_to_recordset(%(finalized)s::jsonb) AS f(
    id uuid, status text, number text, merchant_of_record text, revision int, lines_digest text, subtotal_minor bigint,
    tax_minor bigint, carried_minor bigint, total_minor bigint, computed_at timestamptz, due_on date,
    paid_at timestamptz, amount_paid_minor bigint)
WHERE i.id = f.id AND i.status = 'draft'
RETURNING i.id
"""

# What of it the API and webhooks show.
_STORED: Final = (
    "number", "merchant_of_record", "status", "subtotal_minor", "tax_minor", "carried_minor", "total_minor", "due_on",
    "paid_at", "amount_paid_minor",
)  # fmt: skip

ADD_DOCUMENTS = """
INSERT INTO billing_invoicedocument (invoice_id, content, content_digest, created_at)
SELECT d.invoice_id, d.content, d.content_digest, %(as_of)s
FROM unnest(%(invoices)s::uuid[], %(contents)s::jsonb[], %(digests)s::text[]) AS d(invoice_id, content, content_digest)
"""


@dataclass(frozen=True, slots=True)
class _Final:
    """An invoice with its last computation, its number and its terms."""

    invoice: Invoice
    computed: ComputedInvoice
    number: str
    payment_days: int
    due_on: date
    charged_to: str
    language: str
    purchase_order: str
    shares: tuple[PaymentShare, ...] = ()
    replaces: Replaced | None = None

    @property
    def merchant(self) -> str:
        """Return the merchant of record that sold it; empty if the issuer did."""
        return merchant_of(self.computed.taxes)

    @property
    def paid_minor(self) -> int:
        """Return how much of it is paid from money kept for the customer."""
        return sum(share.amount_minor for share in self.shares)

    @property
    def revision(self) -> int:
        """Return the draft's revision, or the next one if the lines changed since the draft."""
        return self.invoice.revision + int(self.computed.lines_digest != self.invoice.lines_digest)

    @property
    def is_free(self) -> bool:
        """Return whether nothing is left to be paid."""
        return self.computed.total_minor == self.paid_minor


def finalize_batch(*, as_of: datetime, due: Due, size: int = BATCH_SIZE) -> Drafted:
    """Finalize at most `size` drafts whose grace is over. Call again until it returns an empty batch."""
    with without_collecting(), transaction.atomic():
        invoices = list(ripe_invoices(as_of, due).select_for_update(skip_locked=True, no_key=True, of=("self",))[:size])
        return _finalize(invoices, as_of)


def finalize_now(*, invoice_id: UUID, as_of: datetime, actor: Actor | None = None) -> Invoice:
    """Finalize one draft before its grace is over, for staff.

    Raises `InvoiceStatusError`, also if the draft is parked.
    """
    with transaction.atomic():
        invoices = list(
            Invoice.objects.filter(pk=invoice_id)
            .select_for_update(no_key=True, of=("self",))
            .select_related("subscription", "tenant")
        )
        if not invoices or invoices[0].status != InvoiceStatus.DRAFT:
            raise InvoiceStatusError("Only a draft can be finalized.")
        if Invoice.objects.filter(waits_for_a_person("subscription", "tenant"), pk=invoice_id).exists():
            raise InvoiceStatusError("The invoice waits for a review. Resolve its exceptions first.")
        if invoices[0].boundary and invoices[0].period_end > as_of:
            raise InvoiceStatusError("The invoice's period has not ended.")
        done = _finalize(invoices, as_of)
        invoice: Invoice = Invoice.objects.get(pk=invoice_id)
        if actor is not None and not done.parked:
            before, after = {"status": InvoiceStatus.DRAFT}, {"status": invoice.status, "number": invoice.number}
            record_change(invoice, "invoice.finalized", actor=actor, before=before, after=after, as_of=as_of)
    if done.parked:  # after the commit, so that the exception stays
        raise InvoiceStatusError(done.parked[0].detail)
    return invoice


def _finalize(invoices: Sequence[Invoice], as_of: datetime) -> Drafted:
    if not invoices:
        return Drafted()
    computed = ready_to_issue(compute_invoices(states_of_invoices(invoices), is_final=lambda _: True), as_of=as_of)
    parked = tuple(result for result in computed if isinstance(result, Unbillable))
    for invoice, result in zip(invoices, computed, strict=True):
        if isinstance(result, Unbillable):
            park(result, as_of=as_of, invoice_id=invoice.pk)
    ready = [
        (row, result) for row, result in zip(invoices, computed, strict=True) if isinstance(result, ComputedInvoice)
    ]
    if ready:
        _store(ready, as_of)
    return Drafted(tuple(row.pk for row, _ in ready), parked)


def _store(ready: Sequence[tuple[Invoice, ComputedInvoice]], as_of: datetime) -> None:
    issuer = Issuer.objects.get(pk=1)
    issued_on = local_day(as_of, issuer.time_zone)
    purses = locked_purses(list({invoice.tenant_id for invoice, _ in ready}))
    # Taken last, since it is locked until the end of the transaction.
    numbers = take_numbers_for([computed for _, computed in ready], issuer=issuer, issued_on=issued_on)
    issue_numbered(list(zip(ready, numbers, strict=True)), purses, issuer=issuer, as_of=as_of)
    for (invoice, computed), number in zip(ready, numbers, strict=True):
        if invoice.subscription.due_at is None:
            report_credit_left(computed, number=number, as_of=as_of)


def issue_numbered(
    numbered: Sequence[tuple[tuple[Invoice, ComputedInvoice], str]],
    purses: Purse,
    *,
    issuer: Issuer,
    as_of: datetime,
    replaces: Replaced | None = None,
) -> None:
    """Finalize locked drafts under their numbers: lines, sums, document, ledger, what is kept for them, and the outbox.

    `purses` is the money that pays them, `replaces` the document in whose place a single one is issued.
    """
    issued_on = local_day(as_of, issuer.time_zone)
    ready = [one for one, _ in numbered]
    profiles = BillingProfile.objects.filter(tenant__in=[invoice.tenant_id for invoice, _ in ready])
    profile_of = {profile.tenant_id: profile for profile in profiles}
    finals, nobodys = [], BillingProfile()
    for (invoice, computed), number in numbered:
        profile = profile_of.get(invoice.tenant_id) or nobodys
        days = issuer.payment_days if profile.payment_days is None else profile.payment_days
        shares = take_from(purses, invoice, computed.total_minor)
        due_on = issued_on + timedelta(days=days)
        order = profile.purchase_order if invoice.purchase_order is None else invoice.purchase_order
        terms = (days, due_on, profile.card_label, profile.language, order)
        finals.append(_Final(invoice, computed, number, *terms, shares, replaces))
    store_lines((f.invoice.pk, f.revision, f.computed) for f in finals if f.revision != f.invoice.revision)
    rows = [_row(final, as_of) for final in finals]
    parameters = {"finalized": as_json(rows), "as_of": as_of, "issued_on": issued_on}
    done = fetch_all(FINALIZE, parameters)
    assert len(done) == len(finals), "the drafts are locked"
    ways = ways_to_own_currency([computed for _, computed in ready], issuer.country, issued_on)
    contents = [_content(final, issuer, issued_on, ways.get(final.invoice.currency)) for final in finals]
    _add_documents([final.invoice.pk for final in finals], [sealed_content(content) for content in contents], as_of)
    take_items(ready)
    book_invoices([_to_book(final, issued_on=issued_on, as_of=as_of) for final in finals])
    spend([(final.invoice, final.shares) for final in finals], as_of=as_of)
    _announce(finals, rows, issued_on, as_of)


def _row(final: _Final, as_of: datetime) -> dict[str, object]:
    computed = final.computed
    return {
        "id": final.invoice.pk,
        "status": (InvoiceStatus.PAID if final.is_free else InvoiceStatus.FINALIZED).value,
        "number": final.number,
        "merchant_of_record": final.merchant,
        "revision": final.revision,
        "lines_digest": computed.lines_digest,
        "subtotal_minor": computed.subtotal_minor,
        "tax_minor": computed.tax_minor,
        "carried_minor": computed.carried_minor,
        "total_minor": computed.total_minor,
        # A replacement says what was computed when the invoice was that it stands for.
        "computed_at": as_of if final.replaces is None else final.invoice.computed_at,
        "due_on": final.due_on,
        "paid_at": as_of if final.is_free else None,
        "amount_paid_minor": final.paid_minor,
    }


def _add_documents(invoice_ids: Sequence[UUID], sealed: Sequence[tuple[bytes, str]], as_of: datetime) -> None:
    """Store what the invoices say, as the text that the digest was taken of."""
    parameters = {
        "invoices": of_uuids(invoice_ids),
        "contents": of_jsons([text for text, _ in sealed]),
        "digests": of_texts([digest for _, digest in sealed]),
    }
    arrays = {name: sendable(array) for name, array in parameters.items()}
    fetch_all(ADD_DOCUMENTS, arrays | {"as_of": as_of})


def _content(final: _Final, issuer: Issuer, issued_on: date, way: Conversion | None) -> dict[str, object]:
    tenant = final.invoice.tenant
    heading = Heading(
        number=final.number,
        issued_on=issued_on,
        due_on=final.due_on,
        payment_days=final.payment_days,
        payment_url=settings.PUBLIC_URL + INVOICE_PATH.format(slug=tenant.slug, number=final.number),
        charged_to=final.charged_to,
        issuer={name: getattr(issuer, name) for name in ISSUER_FIELDS},
        customer={name: getattr(tenant, name) for name in CUSTOMER_FIELDS},
        paid_minor=final.paid_minor,
        replaces=final.replaces,
        language=final.language,
        purchase_order=final.purchase_order,
        logo=issuer.logo,
        merchant=final.merchant,
    )
    return invoice_content(heading, final.computed, way if bears_tax(final.computed) else None)


def _to_book(final: _Final, *, issued_on: date, as_of: datetime) -> IssuedInvoice:
    computed, zone = final.computed, final.computed.state.time_zone
    prices = (price for phase in computed.state.phases for price in phase.version.prices)
    codes = {price.meter_id: price.meter_code for price in prices}
    document = booked_document(
        number=final.number,
        due_on=final.due_on,
        lines=[
            LineToBook(
                line.kind,
                codes[line.meter_id] if line.meter_id else "",
                *days_booked(line.period.start, line.period.end, zone),
                line.amount_minor,
            )
            for line in computed.lines
        ],
        taxes=[
            TaxSum(row.tax.jurisdiction, row.tax.category, row.tax.name, row.tax.percent, row.base_minor, row.tax_minor)
            for row in computed.taxes
        ],
        total_minor=computed.total_minor,
    )
    invoice = final.invoice
    return IssuedInvoice(invoice.pk, invoice.tenant_id, invoice.currency, issued_on, as_of, document)


def _announce(finals: Sequence[_Final], rows: Sequence[Mapping[str, Any]], issued_on: date, as_of: datetime) -> None:
    """Write to the outbox that the invoices are final, and that those with nothing due are paid.

    `rows` has what was stored of each.
    """
    happenings: list[InvoiceHappening] = []
    for final, row in zip(finals, rows, strict=True):
        stored = {name: row[name] for name in _STORED}
        due_minor = final.computed.total_minor - final.paid_minor
        draft = facts_of_invoice(final.invoice)
        facts = replace(draft, **stored, amount_due_minor=due_minor, issued_on=issued_on, finalized_at=as_of)
        happenings.append(InvoiceFinalized(facts))
        if final.is_free:
            happenings.append(InvoicePaid(facts, as_of))
    add_to_outbox(happenings, as_of=as_of)
