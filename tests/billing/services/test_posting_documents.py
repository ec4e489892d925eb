"""Documents of a database that is older than the ledger are posted once, each on its own day."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing.ledger.models import JournalEntry, Posting
from billing.models import Invoice
from billing.services import posting_documents
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.services.posting_documents import post_documents
from tests.billing.ledger.books import balances, posted
from tests.billing.world import MARCH, STAFF, close_month, finalized_invoices

pytestmark = [pytest.mark.django_db, pytest.mark.takes_long("months of documents are posted again")]

MAY = MARCH + timedelta(days=70)


def day(number: int) -> Any:
    return MARCH + timedelta(days=number)


def act(service: Any, invoice: Invoice, number: int) -> None:
    service(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=day(number))


def pay(invoice: Invoice, number: int, amount_minor: int = 4900) -> None:
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference=f"pi_{invoice.number}_{amount_minor}",
        amount_minor=amount_minor, currency="EUR", occurred_at=day(number), as_of=day(number),
    )  # fmt: skip


@pytest.fixture
def old_books() -> list[tuple[Any, ...]]:
    """Create one document of each life, and delete the entries that it left, as in a database without them."""
    plain, paid, voided, credited, credited_paid, lost, recovered, voided_lost, odd = finalized_invoices(9)
    close_month(plain.subscription)
    pay(paid, 3)
    act(void_invoice, voided, 4)
    act(issue_credit_note, credited, 5)
    pay(credited_paid, 5)
    act(issue_credit_note, credited_paid, 6)
    for invoice in (lost, recovered, voided_lost):
        act(mark_uncollectible, invoice, 7)
    pay(recovered, 8)
    act(void_invoice, voided_lost, 9)
    pay(odd, 10, 4899)
    return entries()


def entries() -> list[tuple[Any, ...]]:
    found = JournalEntry.objects.exclude(kind="release")
    return sorted(found.values_list("kind", "source", "document", "currency", "posted_on"))


def forget() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE ledger_posting, ledger_journalentry")


@pytest.mark.as_owner
def test_old_documents_are_posted_as_they_would_have_been(
    old_books: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, sums = posted(), balances()
    forget()
    assert balances() == {}
    monkeypatch.setattr(posting_documents, "BATCH_SIZE", 3)
    kinds = [kind for kind, *_ in old_books if kind != "recovery"]
    assert post_documents(as_of=MAY) == len(kinds)
    assert entries() == old_books
    assert (posted(), balances()) == (before, sums)


def test_a_posted_document_is_not_posted_again(old_books: list[tuple[Any, ...]]) -> None:
    before = Posting.objects.count()
    assert post_documents(as_of=MAY) == 0
    assert (entries(), Posting.objects.count()) == (old_books, before)


@pytest.mark.as_owner
def test_missing_entries_of_half_posted_documents_are_added(old_books: list[tuple[Any, ...]]) -> None:
    before = posted()
    forget()
    voided = Invoice.objects.filter(status="void").order_by("number")[0]
    posting_documents.book_void(voided, as_of=voided.voided_at)
    assert JournalEntry.objects.count() == 2, "the invoice, which was missing, and its void"
    post_documents(as_of=MAY)
    assert posted() == before


@pytest.mark.as_owner
def test_a_document_that_does_not_balance_is_not_posted(old_books: list[tuple[Any, ...]]) -> None:
    forget()
    voided, credited = Invoice.objects.filter(status="void").order_by("number")[:2]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE billing_invoiceline DISABLE TRIGGER refuse_change")
        cursor.execute("UPDATE billing_invoiceline SET amount_minor = 1 WHERE invoice_id = ANY(%s)", [[voided.pk, credited.pk]])  # fmt: skip # noqa: E501
        cursor.execute("ALTER TABLE billing_invoiceline ENABLE TRIGGER refuse_change")
    post_documents(as_of=MAY)
    assert not JournalEntry.objects.filter(document__in=[voided.number, credited.number]).exists()
    assert not JournalEntry.objects.filter(kind="credit_note", document=credited.credit_note.number).exists()
    assert balances()["receivable"] > 0
