"""A credit note over some of an invoice: what it says, where the money goes, and what later invoices make of it."""

import threading
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from accounts.errors import InvalidFieldsError
from billing.desk.services.writing_invoices import write_invoice
from billing.desk.services.writing_off import write_off_invoice
from billing.domain.invoicing.items import Item
from billing.errors import InvoiceStatusError
from billing.ledger.domain.accounts import LedgerAccount
from billing.models import BillingException, CreditNote, CreditTarget, Invoice, Payment, Subscription
from billing.selectors.invoicing.crediting import left_of
from billing.selectors.invoicing.due import Due
from billing.selectors.write_offs import written_off_minor
from billing.services.documents.deliveries import deliver_documents
from billing.services.invoicing.crediting import credit_in_part
from billing.services.invoicing.exceptions import report_credit
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.setting_off import set_off_credit
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.services.subscriptions.changes import When, change_plan
from billing.verification.selectors.ledger import untied_books
from tests.billing.after_change.test_row_06_issued_again import (
    APRIL,
    DAY,
    JULY,
    JUNE,
    MAY,
    again,
    balance,
    differences,
    lines,
    number_of,
    pay,
    sold,
    void,
)
from tests.billing.world import GRACE, STAFF, make_plan
from tests.races import DONE, at_once

pytestmark = pytest.mark.django_db


def credit(invoice: Invoice, at: object, goes_to: CreditTarget = CreditTarget.REFUND, **what: object) -> CreditNote:
    return credit_in_part(
        invoice_id=invoice.pk, goes_to=goes_to, reason="An outage.", actor=STAFF, as_of=at, **what,  # type: ignore[arg-type]
    )  # fmt: skip


def test_some_of_a_line_is_credited_and_not_given_back_again() -> None:
    """Credit 30.00 of 150.00 of an unpaid invoice; then 50.00 of the usage turn out to be a test."""
    subscription, test, _ = sold()
    first = number_of(1)
    note = credit(first, APRIL + DAY, amounts={1: 3_000})
    assert (note.subtotal_minor, note.tax_minor, note.total_minor) == (3_000, 630, 3_630)
    first.refresh_from_db()
    assert (first.status, first.credited_minor, first.amount_due_minor) == (
        "finalized",
        3_630,
        first.total_minor - 3_630,
    )
    assert balance(subscription.tenant, LedgerAccount.RECEIVABLE, first.number or "") == first.amount_due_minor
    assert (note.content["is_in_part"], [line["amount_minor"] for line in note.content["lines"]]) == (True, [3_000])
    assert deliver_documents(as_of=APRIL + DAY).failures == []
    assert differences(APRIL + 2 * DAY) == []
    # The fee of a period that goes on is given back by itself if something of it is.
    assert [line.left_minor for line in left_of(first).lines] == [12_000, 0]

    void(subscription.tenant, test, APRIL + 3 * DAY)
    run_invoicing(as_of=MAY + GRACE)
    assert lines(number_of(2), "adjustment") == [(-2_000, "S 21")]
    assert differences(MAY + DAY) == []
    assert [line.left_minor for line in left_of(first).lines] == [10_000, 2_900]


def test_usage_that_goes_away_eats_the_credit_and_what_comes_is_charged() -> None:
    subscription, test, rest = sold()
    credit(number_of(1), APRIL + DAY, amounts={1: 6_000})
    void(subscription.tenant, test, APRIL + 3 * DAY)
    run_invoicing(as_of=MAY + GRACE)
    assert lines(number_of(2), "adjustment") == [(0, "S 21")]
    void(subscription.tenant, rest, MAY + 3 * DAY)
    run_invoicing(as_of=JUNE + GRACE)
    assert lines(number_of(3), "adjustment") == [(-9_000, "S 21")]
    run_invoicing(as_of=JULY + GRACE)
    assert lines(number_of(4), "adjustment") == []
    assert differences(JULY + DAY) == []


@pytest.mark.parametrize("goes_to", CreditTarget)
def test_what_was_paid_is_refunded_or_pays_the_next_invoice(goes_to: CreditTarget) -> None:
    sold()
    first = number_of(1)
    pay(first, at=APRIL + DAY)
    note = credit(first, APRIL + 2 * DAY, goes_to, amount_minor=1_000)
    first.refresh_from_db()
    assert (note.total_minor, first.status, first.amount_paid_minor) == (1_210, "paid", first.total_minor - 1_210)
    payment = Payment.objects.get()
    assert payment.unallocated_minor == 1_210
    waits = BillingException.objects.filter(payment=payment, resolved_at=None)
    assert waits.exists() is (goes_to == CreditTarget.REFUND)
    run_invoicing(as_of=MAY + GRACE)
    assert number_of(2).amount_paid_minor == (0 if goes_to == CreditTarget.REFUND else 1_210)
    assert differences(MAY + DAY) == []


def test_parts_come_to_the_whole_and_never_to_more() -> None:
    """Check that three parts and the rest bear the tax of the whole; nothing is left for a void or a whole note."""
    sold(fee="0")
    first = number_of(1)
    for _ in range(3):
        credit(first, APRIL + DAY, amount_minor=3_333)
    first.refresh_from_db()
    for refused in (void_invoice, issue_credit_note):
        with pytest.raises(InvoiceStatusError, match="Part of the invoice was credited"):
            refused(invoice_id=first.pk, reason="x", actor=STAFF, as_of=APRIL + DAY)
    with pytest.raises(InvoiceStatusError, match="Part of the invoice was credited"):
        again(first, APRIL + DAY)
    asked: tuple[dict[str, object], ...] = (
        {"amount_minor": 5_002},
        {"amounts": {1: 5_002}},
        {"amounts": {9: 1}},
        {"amounts": {}},
    )
    for what in asked:
        with pytest.raises(InvalidFieldsError):
            credit(first, APRIL + DAY, **what)
    credit(first, APRIL + 2 * DAY, amounts={1: 5_001})
    first.refresh_from_db()
    assert (first.status, first.credited_minor, first.amount_due_minor) == ("paid", 18_150, 0)
    assert sum(note.tax_minor for note in CreditNote.objects.all()) == 3_150
    assert differences(APRIL + 3 * DAY) == []


def test_a_replacement_is_credited_in_part_and_corrections_know_it() -> None:
    subscription, test, _ = sold()
    replacement = again(number_of(1), APRIL + DAY)
    credit(replacement, APRIL + 2 * DAY, amounts={1: 3_000})
    void(subscription.tenant, test, APRIL + 3 * DAY)
    run_invoicing(as_of=MAY + GRACE)
    assert lines(number_of(2), "adjustment") == [(-2_000, "S 21")]
    assert differences(MAY + DAY) == []


def test_a_written_off_invoice_is_credited_in_part_until_nothing_is_due() -> None:
    """Check that 36.30 of 181.50 that were written off are owed no more, and that the rest can be credited, too."""
    subscription, test, _ = sold(fee="0")
    first = number_of(1)
    write_off_invoice(invoice_id=first.pk, reason="bankrupt", actor=STAFF, as_of=MAY)
    credit(first, MAY + DAY, amounts={1: 3_000})
    first.refresh_from_db()
    assert (first.status, first.amount_due_minor, written_off_minor(first)) == ("uncollectible", 14_520, 14_520)
    # 50.00 that go away are unpaid: nothing is given back of them, and the rest of the credit is eaten up (C6).
    void(subscription.tenant, test, MAY + 2 * DAY)
    run_invoicing(as_of=JUNE + GRACE)
    assert lines(number_of(2), "adjustment") == [(0, "S 21")]
    assert differences(JUNE + DAY) == []
    credit(first, JUNE + 2 * DAY, amount_minor=12_000)
    first.refresh_from_db()
    assert (first.status, first.amount_due_minor, written_off_minor(first)) == ("paid", 0, 0)
    run_invoicing(as_of=JULY + GRACE)
    assert lines(number_of(4), "adjustment") == []
    assert differences(JULY + DAY) == []


def test_of_a_fee_that_was_given_up_what_is_withheld_is_not_credited() -> None:
    """Check that 1.45 of a fee of 29.00, withheld while it is unpaid, come with the payment alone."""
    subscription, _, _ = sold()
    first = number_of(1)
    mark_uncollectible(invoice_id=first.pk, reason="gone", actor=STAFF, as_of=APRIL + DAY)
    change_plan(
        subscription=Subscription.objects.get(pk=subscription.pk), plan_version=make_plan("free", fee="0"),
        when=When.NOW, actor=STAFF, as_of=APRIL + 15 * DAY + GRACE,
    )  # fmt: skip
    run_invoicing(as_of=MAY + GRACE)
    assert lines(number_of(2), "proration")[0] == (0, "S 21")
    assert [line.left_minor for line in left_of(first).lines] == [15_000, 1_450]
    pay(first, at=MAY + DAY)
    assert [line.left_minor for line in left_of(first).lines] == [15_000, 1_450]
    run_invoicing(as_of=JUNE + GRACE)
    assert lines(number_of(3), "proration") == [(-1_450, "S 21")]
    assert [line.left_minor for line in left_of(first).lines] == [15_000, 1_450]
    assert differences(JUNE + DAY) == []


def test_credit_that_was_set_off_is_credit_again_after_what_payments_paid() -> None:
    """Check that of 40.00 by set-off and 141.50 by payment the payment is freed first, then the credit."""
    subscription, _, _ = sold(fee="0")
    first = number_of(1)
    report_credit(subscription.pk, "Left.", 4_000, as_of=APRIL + DAY)
    set_off_credit(as_of=APRIL + DAY, due=Due())
    first.refresh_from_db()
    record_payment(
        invoice_id=first.pk, provider="stripe", reference="pi_1", amount_minor=first.amount_due_minor, currency="EUR",
        occurred_at=APRIL + DAY, as_of=APRIL + DAY,
    )  # fmt: skip
    credit(first, APRIL + 2 * DAY, CreditTarget.BALANCE, amount_minor=10_000)
    assert (Payment.objects.get().unallocated_minor, credit_waiting()) == (12_100, 0)
    credit(first, APRIL + 3 * DAY, CreditTarget.BALANCE, amount_minor=5_000)
    first.refresh_from_db()
    assert (first.status, first.amount_paid_minor, first.credited_minor) == ("paid", 0, 18_150)
    assert (Payment.objects.get().unallocated_minor, credit_waiting()) == (14_150, 4_000)
    assert untied_books() == []


def credit_waiting() -> int:
    waiting = BillingException.objects.filter(code="credit_left", resolved_at=None)
    return sum(waiting.values_list("amount_minor", flat=True))


def test_a_single_item_is_credited_in_part_at_once_and_no_later_invoice_looks_at_it() -> None:
    subscription, test, _ = sold()
    item = Item("Setup", Decimal(1), "", Decimal("250.00"), APRIL.date(), APRIL.date())
    written = write_invoice(
        tenant_id=subscription.tenant_id, items=[item], reason="agreed", actor=STAFF, as_of=APRIL + DAY
    )
    assert isinstance(written, Invoice)
    assert [line.left_minor for line in left_of(written).lines] == [25_000]
    note = credit(written, APRIL + 2 * DAY, amounts={1: 5_000})
    assert (note.tax_minor, note.total_minor) == (1_050, 6_050)
    for what in ({"amounts": {1: 20_001}}, {"amount_minor": 20_001}):
        with pytest.raises(InvalidFieldsError):
            credit(written, APRIL + 2 * DAY, **what)
    with pytest.raises(InvoiceStatusError, match="manual invoice"):
        again(written, APRIL + 2 * DAY)
    void(subscription.tenant, test, APRIL + 3 * DAY)
    run_invoicing(as_of=MAY + GRACE)
    assert lines(number_of(2), "adjustment") == [(-5_000, "S 21")]
    assert differences(MAY + DAY) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_that_credit_all_of_it_one_is_refused() -> None:
    sold(fee="0")
    first = number_of(1)
    assert at_once(*[lambda: credit(first, APRIL + DAY, amount_minor=10_000)] * 2) == ["InvalidFieldsError", DONE]
    assert CreditNote.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_control_whoever_looks_without_the_lock_is_stopped_by_the_trigger_alone() -> None:
    """Check that both see that nothing is credited, and both write a note over all of it."""
    sold(fee="0")
    first = number_of(1)
    looked = threading.Barrier(2)

    def careless() -> CreditNote:
        assert not CreditNote.objects.filter(part_of=first).exists()
        looked.wait(timeout=30)
        with transaction.atomic():
            key = uuid4()
            return CreditNote.objects.create(
                id=key, tenant_id=first.tenant_id, part_of=first, goes_to="refund", number=f"CN-{key}", currency="EUR",
                subtotal_minor=15_000, tax_minor=3_150, total_minor=18_150, reason="x", issued_on=APRIL.date(),
                issued_at=APRIL, issued_by="x", content={}, content_digest="",
            )  # fmt: skip

    assert at_once(careless, careless) == ["IntegrityError", DONE]
    with pytest.raises(IntegrityError, match="credit_notes_within_invoice"), transaction.atomic():
        CreditNote.objects.create(
            id=uuid4(), tenant_id=first.tenant_id, part_of=first, goes_to="refund", number="CN-2", currency="EUR",
            subtotal_minor=1, tax_minor=0, total_minor=1, reason="x", issued_on=APRIL.date(), issued_at=APRIL,
            issued_by="x", content={}, content_digest="",
        )  # fmt: skip
