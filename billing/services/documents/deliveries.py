"""What follows an issued document: its PDF, rendered once and stored by its hash, and the mail that brings it.

Found by state: a document without a stored file is due. The file and the mail are written in one transaction, so
a worker that is killed before has done nothing, and one that comes after finds nothing left to do.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.template.loader import render_to_string

from accounts.domain.job_report import JobReport
from accounts.models import JobRun, StoredFile, Tenant
from accounts.notices.selectors.recipients import recipients_of
from accounts.notices.services.mails import Attachment, NewMail, queue_mails
from accounts.services.jobs import run_job
from billing.domain.mails import CREDIT_NOTE, INVOICE
from billing.domain.money import money_text
from billing.domain.statuses import InvoiceStatus
from billing.models import CreditNote, DocumentFile, Invoice
from billing.rendering.services import wording
from billing.rendering.services.documents import render_document
from billing.rendering.services.logos import logo_of

DOCUMENTS_JOB: Final = "documents"
DOCUMENTS_PER_RUN: Final = 500
PDF: Final = "application/pdf"
FAILURES_KEPT_MAX: Final = 20
# What a content that cannot be set raises. One such document does not hold up the others.
_UNRENDERABLE: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError)


@dataclass(slots=True)
class Delivered:
    """What a pass did: how many documents got their PDF, and which could not be made."""

    documents: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Document:
    """An invoice or a credit note: what it says, whether it is mailed, and whether it is settled already."""

    number: str
    tenant: Tenant
    content: Mapping[str, Any]
    is_mailed: bool = True
    is_paid: bool = False


def deliver_documents(*, as_of: datetime, limit: int = 200) -> Delivered:
    """Render the PDFs that are missing and queue their mails, for at most `limit` documents.

    It is safe to run twice and concurrently.
    """
    done = Delivered()
    for find, numbers in ((_locked_invoice, _invoices_due(limit)), (_locked_credit_note, _credit_notes_due(limit))):
        for number in numbers:
            try:
                done.documents += _deliver(number, find, as_of)
            except _UNRENDERABLE as error:
                done.failures.append(f"{number}: {type(error).__name__}: {error}")
    return done


def run_deliveries(*, started_by: str, as_of: datetime) -> JobRun:
    """Deliver documents as a recorded job, which needs attention if a document could not be rendered."""

    def work() -> JobReport:
        done = deliver_documents(as_of=as_of, limit=DOCUMENTS_PER_RUN)
        summary = {
            "documents": done.documents,
            "failed": len(done.failures),
            "first": done.failures[:FAILURES_KEPT_MAX],
        }
        return JobReport(summary, needs_attention=bool(done.failures))

    return run_job(name=DOCUMENTS_JOB, started_by=started_by, as_of=as_of, work=work)


def invoice_pdf(*, invoice: Invoice, as_of: datetime) -> StoredFile:
    """Return the PDF of an issued invoice.

    If it does not exist yet, it is rendered now, and its mail is queued as by the schedule.
    """
    assert invoice.number is not None, "an issued invoice has a number"
    return _stored(invoice.number, _locked_invoice, as_of)


def credit_note_pdf(*, credit_note: CreditNote, as_of: datetime) -> StoredFile:
    """Return the PDF of an issued credit note, as `invoice_pdf` does."""
    return _stored(credit_note.number, _locked_credit_note, as_of)


def queue_invoice_mail(*, invoice: Invoice, dedupe_key: str, as_of: datetime) -> list[str]:
    """Queue the mail of an issued invoice whose PDF is stored, in the caller's transaction; return its recipients."""
    return _queue_mail(_document(invoice), dedupe_key, as_of)


def _stored(number: str, find: "_Find", as_of: datetime) -> StoredFile:
    stored = DocumentFile.objects.select_related("file").filter(pk=number).first()
    if stored is None:
        _deliver(number, find, as_of, waits=True)
        stored = DocumentFile.objects.select_related("file").get(pk=number)
    return stored.file


def _invoices_due(limit: int) -> list[str]:
    issued = Invoice.objects.issued().filter(~_has_file())
    return list(issued.order_by("finalized_at", "number").values_list("number", flat=True)[:limit])


def _credit_notes_due(limit: int) -> list[str]:
    issued = CreditNote.objects.filter(~_has_file())
    return list(issued.order_by("issued_at", "number").values_list("number", flat=True)[:limit])


def _has_file() -> Exists:
    return Exists(DocumentFile.objects.filter(pk=OuterRef("number")))


def _deliver(number: str, find: "_Find", as_of: datetime, *, waits: bool = False) -> bool:
    """Store the PDF and queue the mail, unless another worker did or, if `waits` is false, is doing so."""
    with transaction.atomic():
        document = find(number, not waits)
        if document is None or DocumentFile.objects.filter(pk=number).exists():
            return False
        _store(document, render_document(document.content, logo_of(document.content)), as_of)
        if document.is_mailed:
            _queue_mail(document, f"document:{number}", as_of)
    return True


_Find = Callable[[str, bool], _Document | None]


def _locked_invoice(number: str, skips: bool) -> _Document | None:  # noqa: FBT001 - of one form with the one below
    """Lock the invoice, so that one worker makes its document."""
    rows = Invoice.objects.select_for_update(no_key=True, of=("self",), skip_locked=skips).filter(number=number)
    invoice = rows.select_related("tenant", "document").first()
    return None if invoice is None else _document(invoice)


def _locked_credit_note(number: str, skips: bool) -> _Document | None:  # noqa: FBT001 - as above
    """Lock the invoice of the credit note, whose own row may not even be locked: it never changes."""
    note = CreditNote.objects.select_related("tenant", "invoice", "part_of").get(number=number)
    rows = Invoice.objects.select_for_update(no_key=True, skip_locked=skips).filter(pk=note.of_invoice.pk)
    return _Document(number, note.tenant, note.content) if rows.exists() else None


def _document(invoice: Invoice) -> _Document:
    assert invoice.number is not None, "an issued invoice has a number"
    is_mailed = invoice.total_minor > 0 and invoice.status != InvoiceStatus.VOID
    is_paid = invoice.status == InvoiceStatus.PAID
    return _Document(invoice.number, invoice.tenant, invoice.document.content, is_mailed, is_paid)


def _store(document: _Document, pdf: bytes, as_of: datetime) -> None:
    sha256 = hashlib.sha256(pdf).hexdigest()
    file = StoredFile(sha256=sha256, media_type=PDF, content=pdf, created_at=as_of)
    StoredFile.objects.bulk_create([file], ignore_conflicts=True)
    DocumentFile.objects.create(number=document.number, file_id=sha256, created_at=as_of)


def _queue_mail(document: _Document, dedupe_key: str, as_of: datetime) -> list[str]:
    content = document.content
    kind = content["kind"]
    recipients = recipients_of(tenant=document.tenant, kind=INVOICE)
    stored = DocumentFile.objects.select_related("file").get(pk=document.number)
    context = {
        "tenant": document.tenant,
        "issuer": content["issuer"]["legal_name"],
        "number": document.number,
        "invoice_number": content.get("invoice_number", ""),
        "reason": content.get("reason", ""),
        "is_in_part": content.get("is_in_part", False),
        "replaces": content.get("replaces", {}).get("number", ""),
        "replaced_by": content.get("replaced_by", ""),
        "amount": money_text(content["total_minor"], content["currency"]),
        "paid_before": money_text(content["paid_minor"], content["currency"]) if content.get("paid_minor") else "",
        "period": wording.days(content["period"]),
        "is_paid": document.is_paid,
        "charged_to": content.get("charged_to", ""),
        "due": wording.day(content["due_on"]) if content["due_on"] else "",
        "url": content["payment_url"],
        "merchant": content.get("merchant", ""),
    }
    mail = NewMail(
        tenant_id=document.tenant.pk,
        kind=kind,
        dedupe_key=dedupe_key,
        recipients=recipients,
        subject=render_to_string(f"billing/email/{kind}_subject.txt", context),
        text=render_to_string(f"billing/email/{kind}.txt", context),
        html=render_to_string(f"billing/email/{kind}.html", context),
        attachment=Attachment(stored.file, f"{document.number}.pdf"),
        notice_key=f"document:{document.number}",
        page="" if kind == CREDIT_NOTE.name else f"invoices/{document.number}/",
    )
    queue_mails([mail], as_of=as_of)
    return recipients
