"""Differences between documents and the ledger of accounts, each planted past the services."""

from datetime import timedelta

import pytest
from django.db import connection

from billing.desk.services.writing_off import write_off_invoice
from billing.ledger.domain.accounts import EntryKind, LedgerAccount
from billing.ledger.domain.entries import Movement
from billing.ledger.models import ClosedMonth
from billing.ledger.services.posting import post
from billing.models import CreditNote, Invoice, Payment
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.verification.selectors.ledger import untied_books, untied_documents
from tests.billing.ledger.happenings import happening
from tests.billing.world import MARCH, STAFF, close_month, finalized_invoices, first_invoice, subscribe_tenant

pytestmark = pytest.mark.django_db

LATER = MARCH + timedelta(days=3)


@pytest.fixture
def invoice() -> Invoice:
    return first_invoice(subscribe_tenant())


def pay(invoice: Invoice, amount_minor: int | None = None) -> None:
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference=f"pi_{invoice.number}",
        amount_minor=amount_minor or invoice.total_minor,
        currency="EUR", occurred_at=LATER, as_of=LATER,
    )  # fmt: skip


def found(*invoices: Invoice) -> list[str]:
    return [f"{untied.subject}: {untied.detail}" for untied in untied_documents([one.pk for one in invoices])]


def books() -> list[str]:
    return [f"{untied.subject}: {untied.detail}" for untied in untied_books()]


def plant(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, parameters or None)
        cursor.execute("SET session_replication_role = DEFAULT")


def test_documents_of_the_services_agree_with_the_ledger() -> None:
    owed, paid, voided, credited, credited_paid, lost, part, over, lost_part = invoices = finalized_invoices(9)
    pay(paid)
    pay(part, 1000)
    pay(over, 5000)
    pay(credited_paid)
    for service, one in (
        (void_invoice, voided),
        (issue_credit_note, credited),
        (issue_credit_note, credited_paid),
        (mark_uncollectible, lost),
        (mark_uncollectible, lost_part),
        (write_off_invoice, lost_part),
    ):
        service(invoice_id=one.pk, reason="wrong", actor=STAFF, as_of=LATER)
    pay(lost_part, 1000)
    close_month(owed.subscription)
    assert found(*invoices, *Invoice.objects.issued()) == books() == []


@pytest.mark.as_owner
def test_an_unposted_invoice_and_its_tenants_balance_are_named(invoice: Invoice) -> None:
    plant("DELETE FROM ledger_posting")
    plant("DELETE FROM ledger_journalentry")
    assert found(invoice) == [
        f"{invoice.number}: It is finalized with 4900 to pay, and 0 is open in the ledger.",
        f"{invoice.number}: It is not posted to the ledger of accounts.",
    ]
    assert books() == ["tenant acme: EUR owes 4900 by its documents and 0 by the ledger."]


@pytest.mark.as_owner
def test_an_invoice_with_other_postings_is_named(invoice: Invoice) -> None:
    plant("UPDATE ledger_posting SET amount_minor = amount_minor + 1 WHERE account = 'receivable'")
    assert found(invoice) == [
        f"{invoice.number}: It is finalized with 4900 to pay, and 4901 is open in the ledger.",
        f"{invoice.number}: It is posted as 4901 owed with 0 of tax and 0 carried, and says 4900, 0 and 0.",
    ]
    [entry, tenant] = books()
    assert entry.endswith("Its postings sum to 1.")
    assert tenant == "tenant acme: EUR owes 4900 by its documents and 4901 by the ledger."


@pytest.mark.as_owner
def test_a_posting_to_another_tenant_is_named(invoice: Invoice) -> None:
    other = subscribe_tenant("globex", plan=invoice.subscription.plan_version)
    plant("UPDATE ledger_journalentry SET tenant_id = %s", other.tenant_id)
    plant("UPDATE ledger_posting SET tenant_id = %s", other.tenant_id)
    assert len(found(invoice)) == 1
    assert [line.split(":")[0] for line in books()] == ["tenant acme", "tenant globex"]


@pytest.mark.as_owner
def test_an_unposted_payment_and_an_unposted_credit_note_are_named(invoice: Invoice) -> None:
    pay(invoice)
    issue_credit_note(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=LATER)
    for kind in ("payment", "credit_note"):
        plant("DELETE FROM ledger_posting WHERE entry_id IN (SELECT id FROM ledger_journalentry WHERE kind = %s)", kind)
        plant("DELETE FROM ledger_journalentry WHERE kind = %s", kind)
    payment, note = Payment.objects.get(), CreditNote.objects.get()
    assert found(invoice) == [
        f"{invoice.number}: It is paid with 0 to pay, and 9800 is open in the ledger.",  # its payment was unallocated
        f"{invoice.number}: Its credit note {note.number} is not posted.",
        f"{invoice.number}: Its payment {payment.pk} over 4900 is posted as 0.",
    ]


def test_the_open_amount_after_a_part_payment_agrees_with_the_ledger(invoice: Invoice) -> None:
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="part", amount_minor=100, currency="EUR",
        occurred_at=LATER, as_of=LATER,
    )  # fmt: skip
    assert [*books(), *found(invoice)] == []


def test_an_open_amount_of_an_invoice_that_is_not_owed_is_named(invoice: Invoice) -> None:
    void_invoice(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=LATER)
    owed = Movement(LedgerAccount.RECEIVABLE, 1, document=invoice.number or "")
    post([happening(invoice.tenant, EntryKind.ROUNDING, movements=(owed, Movement(LedgerAccount.ROUNDING, -1)))])
    assert found(invoice) == [f"{invoice.number}: It is void with 0 to pay, and 1 is open in the ledger."]


def test_a_closed_month_with_other_sums_is_named(invoice: Invoice) -> None:
    ClosedMonth.objects.create(
        month=MARCH.date(), sums=[], digest="0" * 64, entries=1, closed_at=LATER, closed_by="staff"
    )
    assert books() == ["month 2026-03: It was closed with other sums."]


@pytest.mark.as_owner
def test_an_entry_on_another_day_than_its_document_is_named(invoice: Invoice) -> None:
    issue_credit_note(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=MARCH + timedelta(days=31))
    assert found(invoice) == []
    plant("UPDATE ledger_journalentry SET posted_on = '2026-03-31' WHERE kind = 'credit_note'")
    assert found(invoice) == ["CN-2026-000001: It is of 2026-04-01 and posted on 2026-03-31."]
    # A month that was closed already takes no more entries: what came after is posted in the first that is open.
    plant("UPDATE ledger_journalentry SET posted_on = '2026-05-01' WHERE kind = 'credit_note'")
    assert found(invoice) == ["CN-2026-000001: It is of 2026-04-01 and posted on 2026-05-01."]
    plant(
        "INSERT INTO ledger_closedmonth (month, sums, digest, entries, closed_at, closed_by)"
        " VALUES ('2026-04-01', '[]', 'x', 0, now(), 'staff')"
    )
    assert found(invoice) == []
