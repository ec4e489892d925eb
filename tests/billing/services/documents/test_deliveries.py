"""Each document gets one PDF and one mail, whatever worker creates them, however often, wherever it is killed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from django.core import mail as django_mail
from django.db import IntegrityError, connection, transaction

from accounts.models import AuditEntry, JobOutcome, StoredFile
from accounts.notices.models import OutboundMail
from accounts.notices.selectors.recipients import recipients_of
from accounts.notices.services.mails import send_queued_mails
from billing.domain.mails import INVOICE
from billing.errors import InvoiceStatusError
from billing.models import CreditNote, DocumentFile, Invoice
from billing.services.documents.deliveries import credit_note_pdf, deliver_documents, invoice_pdf, run_deliveries
from billing.services.invoicing.staff_actions import issue_credit_note, resend_invoice, void_invoice
from billing.services.subscriptions.profiles import keep_merchant
from billing.tasks import deliver_documents as scheduled
from tests.billing.rendering.services.reading import texts
from tests.billing.services.invoicing.test_payments import pay
from tests.billing.world import (
    STAFF,
    close_month,
    finalized_invoices,
    first_invoice,
    make_plan,
    set_issuer,
    subscribe_tenant,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def invoice(db: None) -> Invoice:
    set_issuer(legal_name="Meridian GmbH")
    return first_invoice(subscribe_tenant())


def credit(invoice: Invoice) -> CreditNote:
    return issue_credit_note(invoice_id=invoice.pk, reason="out of order", actor=STAFF, as_of=NOW)


def test_an_invoice_gets_its_pdf_and_its_mail_once(invoice: Invoice) -> None:
    assert deliver_documents(as_of=NOW).documents == 1
    assert deliver_documents(as_of=NOW).documents == 0
    stored = DocumentFile.objects.get(pk=invoice.number).file
    assert stored.sha256 == sha256(bytes(stored.content)).hexdigest()
    assert "Amount due\n49.00 EUR" in texts(bytes(stored.content))[0].replace("Amount due 49", "Amount due\n49")
    queued = OutboundMail.objects.get()
    assert (queued.kind, queued.recipients, queued.attachment, queued.attachment_name) == (
        "invoice",
        ["bills@acme.example"],
        stored,
        f"{invoice.number}.pdf",
    )
    assert queued.subject == "Invoice INV-2026-000001 from Meridian GmbH: 49.00 EUR"
    for body in (queued.text, queued.html):
        assert "due on 15 March 2026" in body
        assert f"/t/acme/invoices/{invoice.number}/" in body


def test_the_mail_of_a_paid_invoice_requests_no_payment(invoice: Invoice) -> None:
    pay(invoice)
    deliver_documents(as_of=NOW)
    queued = OutboundMail.objects.get()
    for body in (queued.text, queued.html):
        assert ", paid" in body
        assert "due on" not in body
        assert "pay online" not in body


def test_a_credit_note_gets_its_pdf_and_its_mail(invoice: Invoice) -> None:
    deliver_documents(as_of=NOW)
    note = credit(invoice)
    assert deliver_documents(as_of=NOW).documents == 1
    queued = OutboundMail.objects.get(kind="credit_note")
    assert (queued.attachment_name, queued.subject) == (
        f"{note.number}.pdf",
        "Credit note CN-2026-000001 from Meridian GmbH: 49.00 EUR",
    )
    assert "out of order" in queued.text
    assert "credits invoice INV-2026-000001" in queued.html
    stored = credit_note_pdf(credit_note=note, as_of=NOW)
    assert "Credit note" in texts(bytes(stored.content))[0]


def test_no_mail_is_sent_about_a_free_or_a_void_invoice(db: None) -> None:
    first_invoice(subscribe_tenant("free", plan=make_plan("free", fee="0")))
    [voided] = finalized_invoices(1)
    void_invoice(invoice_id=voided.pk, reason="mistake", actor=STAFF, as_of=NOW)
    assert deliver_documents(as_of=NOW).documents == 2
    assert not OutboundMail.objects.exists()


def test_a_draft_has_no_document(invoice: Invoice) -> None:
    deliver_documents(as_of=NOW)
    invoice.subscription.refresh_from_db()
    close_month(invoice.subscription, as_of=invoice.subscription.period_end)
    assert Invoice.objects.count() == 2
    assert deliver_documents(as_of=NOW).documents == 0


def test_the_mail_arrives_with_the_pdf(invoice: Invoice) -> None:
    deliver_documents(as_of=NOW)
    assert send_queued_mails(as_of=NOW) == 1
    [sent] = django_mail.outbox
    [(name, content, media_type)] = sent.attachments
    assert (name, media_type) == (f"{invoice.number}.pdf", "application/pdf")
    assert content == bytes(StoredFile.objects.get().content)


def test_a_pdf_requested_before_the_schedule_is_created_with_its_mail(invoice: Invoice) -> None:
    first = invoice_pdf(invoice=invoice, as_of=NOW)
    assert invoice_pdf(invoice=invoice, as_of=NOW).sha256 == first.sha256
    assert deliver_documents(as_of=NOW).documents == 0
    assert OutboundMail.objects.count() == 1


def test_a_bounded_number_of_documents_is_created_the_oldest_first(db: None) -> None:
    invoices = finalized_invoices(3)
    assert deliver_documents(as_of=NOW, limit=2).documents == 2
    assert set(DocumentFile.objects.values_list("pk", flat=True)) == {invoice.number for invoice in invoices[:2]}


@pytest.mark.as_owner
def test_a_document_that_cannot_be_created_delays_no_other_and_needs_attention(db: None) -> None:
    broken, whole = finalized_invoices(2)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # without triggers
        cursor.execute(
            "UPDATE billing_invoicedocument SET content = content - 'lines' WHERE invoice_id = %s", [broken.pk]
        )
        cursor.execute("SET session_replication_role = DEFAULT")
    run = run_deliveries(started_by="test", as_of=NOW)
    assert run.outcome == JobOutcome.ATTENTION
    assert run.summary == {"documents": 1, "failed": 1, "first": [f"{broken.number}: KeyError: 'lines'"]}
    assert DocumentFile.objects.get().pk == whole.number


def test_the_schedule_creates_due_documents(invoice: Invoice) -> None:
    assert scheduled() == JobOutcome.SUCCEEDED
    assert DocumentFile.objects.count() == 1


def test_staff_send_an_invoice_again_as_often_as_they_wish(invoice: Invoice) -> None:
    for minutes in (1, 2):
        resend_invoice(invoice_id=invoice.pk, actor=STAFF, as_of=NOW + timedelta(minutes=minutes))
    assert OutboundMail.objects.count() == 3
    assert AuditEntry.objects.filter(action="invoice.resent").count() == 2
    with pytest.raises(InvoiceStatusError, match="was mailed"):
        void_invoice(invoice_id=invoice.pk, reason="mistake", actor=STAFF, as_of=NOW)
    issue_credit_note(invoice_id=invoice.pk, reason="mistake", actor=STAFF, as_of=NOW)
    with pytest.raises(InvoiceStatusError, match="is void"):
        resend_invoice(invoice_id=invoice.pk, actor=STAFF, as_of=NOW)


def test_sending_an_invoice_again_without_a_recipient_is_refused(db: None) -> None:
    lonely = first_invoice(subscribe_tenant("lonely", billing_email=""))
    assert recipients_of(tenant=lonely.tenant, kind=INVOICE) == []
    with pytest.raises(InvoiceStatusError, match="There is no recipient"):
        resend_invoice(invoice_id=lonely.pk, actor=STAFF, as_of=NOW)
    assert deliver_documents(as_of=NOW).documents == 1


class Killed(BaseException):
    """The process dies at this statement."""


@pytest.fixture
def dying() -> Iterator[list[str]]:
    """Yield the statements at which the process dies, each once. `begin` is the table that is written to."""
    deaths: list[str] = []

    def die(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Django's form
        if deaths and f'INSERT INTO "{deaths[0]}"' in sql:
            deaths.pop()
            raise Killed
        return execute(sql, params, many, context)

    with connection.execute_wrapper(die):
        yield deaths


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["accounts_storedfile", "billing_documentfile", "notices_outboundmail"])
def test_a_worker_killed_at_any_step_has_done_nothing_and_the_next_one_does_all_once(
    table: str, dying: list[str]
) -> None:
    first_invoice(subscribe_tenant())
    dying.append(table)
    with pytest.raises(Killed):
        deliver_documents(as_of=NOW)
    assert not dying
    assert not StoredFile.objects.exists() | OutboundMail.objects.exists()
    assert deliver_documents(as_of=NOW).documents == 1
    assert (DocumentFile.objects.count(), OutboundMail.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_eight_workers_create_each_document_once() -> None:
    finalized_invoices(6)

    def work(_worker: int) -> int:
        try:
            return deliver_documents(as_of=NOW).documents
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(work, range(8))) == 6
    assert deliver_documents(as_of=NOW).documents == 0
    assert (DocumentFile.objects.count(), OutboundMail.objects.count()) == (6, 6)


@pytest.mark.as_owner
def test_the_database_keeps_a_document_and_its_bytes(invoice: Invoice) -> None:
    deliver_documents(as_of=NOW)
    with connection.cursor() as cursor:
        for change in (
            "UPDATE accounts_storedfile SET content = ''",
            "DELETE FROM billing_documentfile",
            "UPDATE billing_documentfile SET number = 'X'",
        ):
            with pytest.raises(IntegrityError, match="history"), transaction.atomic():
                cursor.execute(change)


def test_the_mail_of_what_a_merchant_sold_says_that_it_is_no_invoice(db: None) -> None:
    subscription = subscribe_tenant()
    keep_merchant(tenant_id=subscription.tenant_id, merchant="Paddle")
    invoice = first_invoice(subscription)
    deliver_documents(as_of=NOW)
    credit(invoice)
    deliver_documents(as_of=NOW)
    queued, credited = OutboundMail.objects.order_by("pk")
    assert queued.subject.startswith("Usage statement STMT-2026-000001 from ")
    assert credited.subject.startswith("Credit STMT-2026-000002 from ")
    for body in (queued.text, queued.html):
        assert "This is no invoice: Paddle sells this to you" in body
        assert "plus the tax that Paddle adds" in body
    for body in (credited.text, credited.html):
        assert "usage statement STMT-2026-000001" in body
        assert "redit note" not in body
