"""Actions of staff on a finalized invoice: void it, mark it as uncollectible, credit it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.errors import InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from accounts.notices.models import OutboxEvent
from billing.domain.documents import digest_of_content
from billing.domain.statuses import InvoiceStatus, SubscriptionStatus
from billing.errors import InvoiceStatusError
from billing.models import BillingException, CreditNote, Invoice, NumberSeries
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.drafting import draft_batch
from billing.services.invoicing.exceptions import is_followed
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.services.subscriptions.changes import When
from tests.billing.services.invoicing.finalizing_held import FINALIZED, WORKED, while_finalizing
from tests.billing.services.invoicing.test_drafting_last_look import DAY, MID_MARCH, WINDOW, end
from tests.billing.services.invoicing.test_payments import fail, pay, standing
from tests.billing.world import (
    GRACE,
    MARCH,
    STAFF,
    close_month,
    finalized_invoices,
    first_invoice,
    latest_invoice,
    make_plan,
    set_issuer,
    subscribe_tenant,
    use,
)
from tests.races import both_at_once

NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)


@pytest.fixture
def invoice(db: None) -> Invoice:
    return first_invoice(subscribe_tenant())


def void(invoice: Invoice, reason: str = "wrong customer") -> Invoice:
    return void_invoice(invoice_id=invoice.pk, reason=reason, actor=STAFF, as_of=NOW)


def give_up(invoice: Invoice) -> Invoice:
    return mark_uncollectible(invoice_id=invoice.pk, reason="bankrupt", actor=STAFF, as_of=NOW)


def credit(invoice: Invoice, reason: str = "service was down") -> CreditNote:
    return issue_credit_note(invoice_id=invoice.pk, reason=reason, actor=STAFF, as_of=NOW)


def test_a_void_invoice_is_owed_no_more_and_keeps_its_number(invoice: Invoice) -> None:
    fail(invoice)
    assert standing(invoice) == SubscriptionStatus.PAST_DUE
    done = void(invoice)
    assert (done.status, done.voided_at, done.void_reason) == (InvoiceStatus.VOID, NOW, "wrong customer")
    assert done.number == "INV-2026-000001"
    assert standing(invoice) == SubscriptionStatus.ACTIVE
    entry = AuditEntry.objects.get(action="invoice.voided")
    assert (entry.before, entry.after) == (
        {"status": "finalized"},
        {"status": "void", "reason": "wrong customer"},
    )
    assert OutboxEvent.objects.get(type="invoice.voided").payload["void_reason"] == "wrong customer"


def test_only_an_unpaid_invoice_is_voided_and_only_once(invoice: Invoice) -> None:
    pay(invoice)
    with pytest.raises(InvoiceStatusError, match="is paid"):
        void(invoice)
    other = first_invoice(subscribe_tenant("other", plan=invoice.subscription.plan_version))
    give_up(other)
    void(other)
    with pytest.raises(InvoiceStatusError, match="is void"):
        void(other)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "two\nlines", "\u202eturned"])
def test_a_reason_is_required_and_one_line(invoice: Invoice, reason: str) -> None:
    for act in (void, credit):
        with pytest.raises(InvalidFieldsError):
            act(invoice, reason)
    invoice.refresh_from_db()
    assert invoice.status == InvoiceStatus.FINALIZED


def test_an_unknown_invoice_is_refused_by_every_action(db: None) -> None:
    for act in (void, give_up, credit):
        with pytest.raises(NotFoundError):
            act(Invoice(pk=uuid4()))


def test_a_draft_is_neither_voided_nor_credited_nor_given_up(invoice: Invoice) -> None:
    subscription = invoice.subscription
    subscription.refresh_from_db()
    draft = close_month(subscription, as_of=subscription.period_end)
    assert draft.status == InvoiceStatus.DRAFT
    for act in (void, give_up, credit):
        with pytest.raises(InvoiceStatusError, match="draft"):
            act(draft)


def test_an_uncollectible_invoice_makes_no_subscription_past_due(invoice: Invoice) -> None:
    fail(invoice)
    assert give_up(invoice).uncollectible_at == NOW
    assert standing(invoice) == SubscriptionStatus.ACTIVE
    assert AuditEntry.objects.get(action="invoice.marked_uncollectible").after["reason"] == "bankrupt"


def test_a_credit_note_has_the_contents_of_its_invoice(invoice: Invoice) -> None:
    set_issuer(time_zone="Europe/Berlin")
    note = credit(invoice)
    assert (note.number, note.issued_on.isoformat(), note.total_minor) == ("CN-2026-000001", "2026-04-01", 4900)
    content = note.content
    assert (content["kind"], content["number"], content["invoice_number"]) == (
        "credit_note",
        "CN-2026-000001",
        "INV-2026-000001",
    )
    assert content["lines"] == invoice.document.content["lines"]
    assert (content["reason"], content["due_on"], content["payment_url"]) == ("service was down", None, "")
    assert note.content_digest == digest_of_content(content)
    assert AuditEntry.objects.get(action="credit_note.issued").after["credit_note"] == note.number
    assert OutboxEvent.objects.get(type="credit_note.issued").payload["number"] == note.number


def test_a_credited_invoice_is_void_unless_it_was_paid(db: None) -> None:
    unpaid, uncollectible, paid = finalized_invoices(3)
    give_up(uncollectible)
    pay(paid)
    numbers = [credit(invoice).number for invoice in (unpaid, uncollectible, paid)]
    assert numbers == ["CN-2026-000001", "CN-2026-000002", "CN-2026-000003"]
    for invoice in (unpaid, uncollectible, paid):
        invoice.refresh_from_db()
    assert [invoice.status for invoice in (unpaid, uncollectible, paid)] == ["void", "void", "paid"]
    assert unpaid.void_reason == "Credited by CN-2026-000001"


def test_there_is_one_credit_note_for_an_invoice_and_none_for_a_void_or_free_one(db: None) -> None:
    paid, voided = finalized_invoices(2)
    pay(paid)
    credit(paid)
    with pytest.raises(InvoiceStatusError, match="is a credit note"):
        credit(paid)
    void(voided)
    with pytest.raises(InvoiceStatusError, match="is void"):
        credit(voided)
    free = first_invoice(subscribe_tenant("free", plan=make_plan("free", fee="0")))
    with pytest.raises(InvoiceStatusError, match="charged nothing"):
        credit(free)


def test_a_refused_credit_note_leaves_no_gap(db: None) -> None:
    first, second = finalized_invoices(2)
    credit(first)
    with pytest.raises(InvoiceStatusError):
        credit(first)
    assert credit(second).number == "CN-2026-000002"


def test_credit_note_numbers_begin_again_each_year_with_the_issuers_prefix(invoice: Invoice) -> None:
    set_issuer(credit_note_prefix="GS")
    note = issue_credit_note(invoice_id=invoice.pk, reason="x", actor=STAFF, as_of=NOW + timedelta(days=365))
    assert note.number == "GS-2027-000001"


@pytest.mark.django_db(transaction=True)
def test_of_eight_that_credit_at_once_seven_are_refused_and_the_numbers_have_no_gap() -> None:
    first, second = finalized_invoices(2)
    ends = both_at_once(*[lambda: credit(first)] * 8)
    assert ends == ["CreditNote", *["InvoiceStatusError"] * 7]
    assert credit(second).number == "CN-2026-000002"
    assert NumberSeries.objects.get(code="CN-2026").last_number == 2


@pytest.mark.as_owner
def test_the_database_keeps_credit_notes_whole(invoice: Invoice) -> None:
    note = credit(invoice)
    with connection.cursor() as cursor:
        for change in ("total_minor = 1", "reason = 'other'"):
            with pytest.raises(IntegrityError, match="history"), transaction.atomic():
                cursor.execute(f"UPDATE billing_creditnote SET {change} WHERE id = %s", [note.pk])
    fields = {
        name: getattr(note, name)
        for name in ("currency", "reason", "issued_on", "issued_at", "issued_by", "content", "content_digest", "tenant")
    }
    other = first_invoice(subscribe_tenant("other", plan=invoice.subscription.plan_version))
    amounts = {"subtotal_minor": 1, "tax_minor": 1, "total_minor": 2}
    for name, changes in {
        "credit_note_total_is_sum": {"total_minor": 3},
        "credit_note_has_reason": {"reason": ""},
        "billing_creditnote_invoice_id": {"invoice": invoice},
    }.items():
        row = {"id": uuid4(), "invoice": other, "number": "CN-X", **fields, **amounts, **changes}
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            CreditNote.objects.create(**row)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("take_back", [void_invoice, issue_credit_note])
def test_credit_is_not_lost_if_the_last_look_is_finalized_at_the_same_moment(take_back: Callable[..., object]) -> None:
    # The last invoice gave some of the fee back. Whoever looks without the draft's lock sees one that will take that
    # credit (the control), though it was computed before.
    set_issuer(fee_refund="by_day")
    subscription = subscribe_tenant(backfill_days=WINDOW.days)
    first_invoice(subscription)
    use(subscription.tenant, 100_000, at=MARCH + DAY)
    end(subscription, When.NOW)
    use(subscription.tenant, 1_000, at=MARCH + 2 * DAY, as_of=MID_MARCH + DAY)
    last, looked_at = latest_invoice(subscription), MID_MARCH + WINDOW + 2 * DAY
    draft_batch(as_of=looked_at, due=Due())
    seen: list[bool] = []
    ends = while_finalizing(
        looked_at + GRACE,
        lambda: take_back(invoice_id=last.pk, reason="wrong", actor=STAFF, as_of=looked_at + GRACE),
        looks=lambda: seen.append(is_followed(subscription.pk)),
    )
    assert (ends, seen) == ([FINALIZED, WORKED], [True])
    back_minor = sum(last.lines.filter(kind="proration", revision=last.revision).values_list("amount_minor", flat=True))
    assert BillingException.objects.get(code="credit_left").amount_minor == -back_minor > 0
