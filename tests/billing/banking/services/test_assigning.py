"""Staff assign an entry, set it aside, and take either back by reversing entries."""

from datetime import timedelta

import pytest
from django.db.models import Sum

from accounts.errors import InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from billing.banking.errors import EntryStateError
from billing.banking.models import BankEntry
from billing.banking.services.assigning import assign_entry, open_again, set_aside
from billing.banking.services.importing import import_statement
from billing.domain.transfers import creditor_reference
from billing.ledger.models import Posting
from billing.models import BillingException, Invoice, Payment
from tests.billing.banking.files import Line, camt
from tests.billing.dunning.unpaid import OVERDUE_AT
from tests.billing.world import STAFF, finalized_invoices

pytestmark = pytest.mark.django_db
LATER = OVERDUE_AT + timedelta(hours=1)


def imported(*lines: Line) -> list[BankEntry]:
    import_statement(content=camt(lines), file_name="a", actor=STAFF, as_of=OVERDUE_AT)
    return list(BankEntry.objects.order_by("pk"))


def status_of(invoice: Invoice) -> str:
    return str(Invoice.objects.values_list("status", flat=True).get(pk=invoice.pk))


def balances() -> dict[str, int]:
    """Return the balance of each account of the ledger that is not 0."""
    rows = Posting.objects.values("account").annotate(sum=Sum("amount_minor"))
    return {row["account"]: row["sum"] for row in rows if row["sum"]}


def test_what_was_paid_by_mistake_is_taken_back_and_pays_another_invoice() -> None:
    wrong, right = finalized_invoices(2)
    before = balances()
    [entry] = imported(Line("49.00", creditor_reference(str(wrong.number))))
    assert (status_of(wrong), entry.status) == ("paid", "assigned")

    entry = open_again(entry_id=entry.pk, reason="Another customer's.", actor=STAFF, as_of=LATER)

    assert (status_of(wrong), entry.status, entry.payment, entry.note) == (
        "finalized", "open", None, "Another customer's.",
    )  # fmt: skip
    assert balances() == before
    payment = Payment.objects.get()
    assert (payment.allocated_minor, payment.refunded_minor) == (0, 4900)
    assert not BillingException.objects.filter(resolved_at=None).exists()

    assign_entry(entry_id=entry.pk, invoice_id=right.pk, actor=STAFF, as_of=LATER)
    assert (status_of(wrong), status_of(right)) == ("finalized", "paid")
    assert Payment.objects.filter(provider="bank").count() == 2
    entry.refresh_from_db()
    assert (entry.assignments, entry.matched_by, entry.tenant_id) == (2, "", right.tenant_id)
    actions = AuditEntry.objects.filter(action__startswith="bank_entry").order_by("pk")
    assert [one.action for one in actions] == ["bank_entry.assigned", "bank_entry.opened_again", "bank_entry.assigned"]


def test_a_part_and_too_much_are_taken_as_staff_decide() -> None:
    invoice, other = finalized_invoices(2)
    part, much = imported(Line("20.00", "a"), Line("60.00", "b"))
    assign_entry(entry_id=part.pk, invoice_id=invoice.pk, actor=STAFF, as_of=LATER)
    assert (status_of(invoice), Invoice.objects.get(pk=invoice.pk).amount_due_minor) == ("finalized", 2900)
    assign_entry(entry_id=much.pk, invoice_id=other.pk, actor=STAFF, as_of=LATER)
    assert BillingException.objects.filter(payment__amount_minor=6000, resolved_at=None).exists()
    open_again(entry_id=much.pk, reason="wrong", actor=STAFF, as_of=LATER)
    assert not BillingException.objects.filter(resolved_at=None).exists()
    assert status_of(other) == "finalized"


def test_an_entry_is_set_aside_and_opened_again() -> None:
    [entry, fee] = imported(Line("5.00", "refund of the tax office"), Line("-1.00", "fee"))
    set_aside(entry_id=entry.pk, reason="The tax office.", actor=STAFF, as_of=LATER)
    with pytest.raises(EntryStateError):
        set_aside(entry_id=entry.pk, reason="Again.", actor=STAFF, as_of=LATER)
    assert open_again(entry_id=entry.pk, reason="Not so.", actor=STAFF, as_of=LATER).status == "open"
    for entry_id in (entry.pk, fee.pk):
        with pytest.raises(EntryStateError):
            open_again(entry_id=entry_id, reason="Why not.", actor=STAFF, as_of=LATER)
    with pytest.raises(InvalidFieldsError):
        set_aside(entry_id=entry.pk, reason="", actor=STAFF, as_of=LATER)
    with pytest.raises(NotFoundError):
        set_aside(entry_id=0, reason="x", actor=STAFF, as_of=LATER)


def test_an_invoice_that_takes_no_payment_is_refused() -> None:
    [invoice] = finalized_invoices(1)
    first, second = imported(Line("49.00", creditor_reference(str(invoice.number))), Line("49.00", "again"))
    with pytest.raises(EntryStateError, match="takes no payment"):
        assign_entry(entry_id=second.pk, invoice_id=invoice.pk, actor=STAFF, as_of=LATER)
    with pytest.raises(EntryStateError, match="assigned"):
        assign_entry(entry_id=first.pk, invoice_id=invoice.pk, actor=STAFF, as_of=LATER)
