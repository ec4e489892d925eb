"""Sold terms and invoices never change: privileges stop the application, triggers stop the tables' owner."""

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.models import F, Model

from accounts.models import Discrepancy, User
from billing.models import BillingException, Invoice, InvoiceLine, NumberSeries, Payment, Subscription
from config.operations.database_roles import APPEND_ONLY_TABLES, KEPT_TABLES
from tests.billing.collection.models.rows import finding, inbox_event
from tests.billing.desk import rows as desk_rows
from tests.billing.models import rows
from tests.billing.models.rows import NOW, issued
from tests.billing.world import subscribe_tenant

pytestmark = pytest.mark.django_db

HISTORY = [
    table
    for table in APPEND_ONLY_TABLES
    if table.startswith(("billing_", "notices_", "alerts_", "desk_")) or table == "accounts_storedfile"
]
LATER = NOW + timedelta(days=1)
OTHERS: dict[str, object] = {
    "merchant_of_record": "Paddle",
    "purchase_order": "PO 1",
    "kind": "manual",
    "boundary": 1,
    "currency": "USD",
    "period_start": NOW - timedelta(days=1),
    "period_end": LATER,
    "revision": 2,
    "lines_digest": "1" * 64,
    "drafted_at": LATER,
    "computed_at": LATER,
    "finalize_after": LATER,
    "finalized_at": LATER,
    "issued_on": LATER.date(),
    "due_on": LATER.date(),
    "number": "INV-2026-000002",
}
OF_THE_PAYMENT: dict[str, object] = {
    "paid_at": NOW,
    "voided_at": NOW,
    "void_reason": "Billed twice.",
    "uncollectible_at": NOW,
    "payment_failed_at": NOW,
    "payment_error": "Declined.",
    "amount_paid_minor": 5831,
    "credited_minor": 5831,
}
WORDS_OF_A_PAYMENT: dict[str, object] = {
    "provider": "manual",
    "reference": "in_2",
    "status": "unmatched",
    "amount_minor": 1,
    "currency": "USD",
    "error": "Another.",
    "decline_code": "lost_card",
    "is_final": True,
    "occurred_at": LATER,
    "created_at": LATER,
    "invoice": None,
}


@pytest.fixture
def subscription() -> Subscription:
    return subscribe_tenant()


@pytest.fixture
def finalized(subscription: Subscription) -> Invoice:
    """Create an invoice with one line, as it is once it has a number."""
    invoice = rows.draft(subscription)
    rows.line(invoice)
    rows.tax(invoice)
    Invoice.objects.filter(pk=invoice.pk).update(**issued())
    invoice.refresh_from_db()
    return invoice


@pytest.fixture
def history(subscription: Subscription, finalized: Invoice) -> None:
    """Create a row in every table of history."""
    rows.document(finalized)
    rows.credit_note(finalized)
    rows.pdf(finalized)
    payment = rows.payment(finalized)
    rows.allocation(payment, finalized)
    rows.refund(payment)
    rows.set_off(finalized)
    desk_rows.write_off(finalized)
    rows.alert(subscription)
    rows.tax_id_check(subscription)
    rows.outbox_event(subscription)


def model_of(table: str) -> type[Model]:
    return next(model for model in apps.get_models() if model._meta.db_table == table)


def some_column(table: str) -> str:
    return str(next(field.column for field in model_of(table)._meta.concrete_fields))


def run(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("table", HISTORY)
@pytest.mark.parametrize(
    "statement", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}", "TRUNCATE {table}"]
)
def test_the_application_may_not_change_history(history: None, table: str, statement: str) -> None:
    assert model_of(table)._default_manager.exists()
    with pytest.raises(ProgrammingError, match="permission denied"):
        run(statement.format(table=table, column=some_column(table)))


@pytest.mark.as_owner
@pytest.mark.parametrize("table", HISTORY)
@pytest.mark.parametrize("statement", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"])
def test_the_owner_may_not_change_history(history: None, table: str, statement: str) -> None:
    assert model_of(table)._default_manager.exists()
    with pytest.raises(IntegrityError, match=f"{table} is history"):
        run(statement.format(table=table, column=some_column(table)))


@pytest.mark.parametrize("table", KEPT_TABLES)
@pytest.mark.parametrize("statement", ["DELETE FROM {table}", "TRUNCATE {table}"])
def test_the_application_may_not_delete_retained_rows(history: None, table: str, statement: str) -> None:
    inbox_event()
    finding()
    facts = {"code": "usage_drift", "detail": "10 differ"}
    BillingException.objects.create(subscription=Subscription.objects.get(), occurred_at=NOW, **facts)
    Discrepancy.objects.create(found_by="reconcile", subject="acme", opened_at=NOW, seen_at=NOW, **facts)
    NumberSeries.objects.create(code="INV-2026", last_number=1)
    rows.single_item(Subscription.objects.get())
    rows.dispute(Payment.objects.get())
    rows.dunning(Invoice.objects.get())
    rows.bank_entry()
    bo = User.objects.create_user("bo@example.org", None)
    desk_rows.line_question(Invoice.objects.get(), asker=bo)
    desk_rows.approval(Invoice.objects.get(), requester=bo)
    assert model_of(table)._default_manager.exists()
    with pytest.raises(ProgrammingError, match="permission denied"):
        run(statement.format(table=table))


@pytest.mark.as_owner
@pytest.mark.parametrize("is_draft", [True, False])
def test_the_owner_may_not_delete_an_invoice(subscription: Subscription, is_draft: bool) -> None:
    invoice = rows.draft(subscription)
    if not is_draft:
        Invoice.objects.filter(pk=invoice.pk).update(**issued())
    with pytest.raises(IntegrityError, match="never deleted"):
        run("DELETE FROM billing_invoice")


@pytest.mark.as_owner
@pytest.mark.parametrize("column", OTHERS)
def test_the_fields_of_a_finalized_invoice_never_change(finalized: Invoice, column: str) -> None:
    assert getattr(finalized, column) != OTHERS[column]
    with pytest.raises(IntegrityError, match="is finalized: it never changes"), transaction.atomic():
        Invoice.objects.filter(pk=finalized.pk).update(**{column: OTHERS[column]})


@pytest.mark.as_owner
def test_the_amounts_of_a_finalized_invoice_never_change(finalized: Invoice) -> None:
    with pytest.raises(IntegrityError, match="is finalized: it never changes"), transaction.atomic():
        Invoice.objects.filter(pk=finalized.pk).update(subtotal_minor=1, tax_minor=0, total_minor=1)
    with pytest.raises(IntegrityError, match="is finalized: it never changes"), transaction.atomic():
        Invoice.objects.filter(pk=finalized.pk).update(carried_minor=-1, total_minor=F("total_minor") - 1)


@pytest.mark.as_owner
def test_a_finalized_invoice_stays_with_its_tenant_and_subscription(finalized: Invoice) -> None:
    other = subscribe_tenant("globex")
    for change in (
        {"tenant_id": other.tenant_id},
        {"subscription": other},
        {"id": other.pk},
        {"original_id": other.pk},
        {"replaces_id": other.pk},
    ):
        with pytest.raises(IntegrityError, match="is finalized: it never changes"), transaction.atomic():
            Invoice.objects.filter(pk=finalized.pk).update(**change)


def test_every_column_of_an_invoice_is_fixed_or_about_its_payment() -> None:
    tried = {*OTHERS, *OF_THE_PAYMENT, "status", "id", "tenant", "subscription", "original", "replaces"}
    amounts = {"subtotal_minor", "tax_minor", "carried_minor", "total_minor"}
    assert tried | amounts == {field.name for field in Invoice._meta.concrete_fields}


@pytest.mark.parametrize("column", OF_THE_PAYMENT)
def test_the_payment_status_of_an_invoice_may_be_written(finalized: Invoice, column: str) -> None:
    assert Invoice.objects.filter(pk=finalized.pk).update(**{column: OF_THE_PAYMENT[column]}) == 1


@pytest.mark.parametrize("revision", [1, 2])
def test_a_finalized_invoice_gets_no_more_lines(finalized: Invoice, revision: int) -> None:
    with pytest.raises(IntegrityError, match="gets no more lines"), transaction.atomic():
        rows.line(finalized, position=2, revision=revision)
    assert InvoiceLine.objects.count() == 1
    with pytest.raises(IntegrityError, match="gets no more lines"), transaction.atomic():
        rows.tax(finalized, position=2, revision=revision, percent=21)


def test_an_insert_of_lines_with_a_late_one_is_refused_whole(finalized: Invoice) -> None:
    other = rows.draft(subscribe_tenant("globex"))
    late = rows.line(other)
    both = [
        InvoiceLine(**values(late, pk=None, position=2)),
        InvoiceLine(**values(late, invoice=finalized, position=2)),
    ]
    with pytest.raises(IntegrityError, match="gets no more lines"), transaction.atomic():
        InvoiceLine.objects.bulk_create(both)
    assert InvoiceLine.objects.filter(position=2).count() == 0


def values(line: InvoiceLine, **changes: object) -> dict[str, Any]:
    facts = {field.name: getattr(line, field.name) for field in line._meta.concrete_fields if field.name != "id"}
    return facts | {name: value for name, value in changes.items() if name != "pk"}


@pytest.mark.as_owner
@pytest.mark.parametrize("column", WORDS_OF_A_PAYMENT)
def test_the_reported_facts_of_a_payment_never_change(finalized: Invoice, column: str) -> None:
    payment = rows.payment(finalized)
    with pytest.raises(IntegrityError, match="billing_payment is history"), transaction.atomic():
        Payment.objects.filter(pk=payment.pk).update(**{column: WORDS_OF_A_PAYMENT[column]})


@pytest.mark.as_owner
def test_a_payment_is_never_deleted(finalized: Invoice) -> None:
    rows.payment(finalized)
    with pytest.raises(IntegrityError, match="billing_payment is history"):
        run("DELETE FROM billing_payment")


def test_the_application_may_change_the_sums_of_a_payment_alone(finalized: Invoice) -> None:
    payment = rows.payment(finalized)
    assert Payment.objects.filter(pk=payment.pk).update(allocated_minor=1, refunded_minor=1) == 1
    for statement in ("UPDATE billing_payment SET amount_minor = 1", "DELETE FROM billing_payment"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            run(statement)


def test_every_column_of_a_payment_is_fixed_or_a_sum() -> None:
    sums = {"allocated_minor", "refunded_minor"}
    assert {*WORDS_OF_A_PAYMENT, *sums, "id", "tenant"} == {field.name for field in Payment._meta.concrete_fields}
