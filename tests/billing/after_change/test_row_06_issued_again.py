"""Row 6: an invoice to the wrong address is corrected and issued again in one act, and all documents name one another.

The rules and the worked numbers are in `docs/algorithms/invoicing.md`, section R.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import Tenant
from billing.domain.tax import TaxTreatment
from billing.errors import InvoiceStatusError
from billing.ledger.domain.accounts import LedgerAccount
from billing.ledger.selectors.documents import balance_of_document
from billing.models import (
    BillingException,
    BillingProfile,
    CreditNote,
    CreditTarget,
    Invoice,
    Payment,
    Subscription,
    TaxRate,
)
from billing.services.documents.deliveries import deliver_documents
from billing.services.invoicing.crediting import credit_in_part
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.reissuing import reissue_invoice
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.verification.services.running import run_verification
from metering.services.voids import void_event
from tests.algorithm_pages import rows_below
from tests.billing.world import GRACE, STAFF, first_invoice, make_plan, set_issuer, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of

pytestmark = pytest.mark.django_db

FEBRUARY, MARCH, APRIL, MAY, JUNE, JULY = (datetime(2026, month, 1, tzinfo=UTC) for month in range(2, 8))
DAY = timedelta(days=1)
WHY = "The address was wrong."


def sold(fee: str = "29") -> tuple[Subscription, str, str]:
    """Issue usage of March of 150.00 on an invoice with 21 %, of which 50.00 turn out to be a test later."""
    TaxRate.objects.update_or_create(country="BE", defaults={"name": "VAT", "percent": Decimal(21)})
    set_issuer(country="BE")
    made = subscribe_tenant(plan=make_plan(fee=fee), as_of=MARCH, country="BE", backfill_days=60)
    first_invoice(made)
    [test] = use(made.tenant, 50_000, at=MARCH + DAY)
    [rest] = use(made.tenant, 100_000, at=MARCH + 2 * DAY)
    run_invoicing(as_of=APRIL + GRACE)
    return made, test, rest


def number_of(boundary: int) -> Invoice:
    return Invoice.objects.get(boundary=boundary)


def pay(invoice: Invoice, *, at: datetime) -> None:
    record_payment(
        invoice_id=invoice.pk,
        provider="stripe",
        reference=f"of {invoice.number}",
        amount_minor=invoice.total_minor,
        currency=invoice.currency,
        occurred_at=at,
        as_of=at,
    )


def move_to_reverse_charge(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(
        legal_name="Acme Holding NV", address_line1="Kaai 7", tax_id="BE0403019261"
    )
    BillingProfile.objects.update_or_create(tenant=tenant, defaults={"tax_treatment": TaxTreatment.REVERSE_CHARGE})


def again(invoice: Invoice, at: datetime) -> Invoice:
    return reissue_invoice(invoice_id=invoice.pk, reason=WHY, actor=STAFF, as_of=at)


def void(tenant: Tenant, event: str, at: datetime) -> None:
    void_event(ledger=ledger_of(tenant), event_id=event, reason="a test", voided_by="acme", as_of=at)


def lines(invoice: Invoice, kind: str) -> list[tuple[int, str]]:
    found = invoice.lines.filter(kind=kind, revision=invoice.revision).order_by("position")
    return [(line.amount_minor, f"{line.tax_category} {line.tax_percent.normalize():f}") for line in found]


def differences(at: datetime) -> list[str]:
    return [str(one) for one in run_verification(started_by="test", as_of=at).differences]


def balance(tenant: Tenant, account: LedgerAccount, document: str) -> int:
    return balance_of_document(tenant_id=tenant.pk, document=document, account=account)


def without_fee(invoice: Invoice) -> int:
    return invoice.subtotal_minor - 2_900


def test_the_worked_example_of_the_page() -> None:
    # 181.50 are paid with 21 %. A VAT number comes late, and 50.00 of the usage turn out to be a test.
    subscription, test, rest = sold(fee="0")
    tenant, first = subscription.tenant, number_of(1)
    deliver_documents(as_of=APRIL + GRACE)
    pay(first, at=APRIL + DAY)
    move_to_reverse_charge(tenant)
    replacement = again(first, APRIL + 2 * DAY)

    first.refresh_from_db()
    note = CreditNote.objects.get()
    expected = {row[0]: tuple(int(cell) for cell in row[1:5]) for row in rows_of_page() if row[0] != "INV-3, the next"}
    told = {
        "INV-1, paid": (first.subtotal_minor, first.tax_minor, first.carried_minor, first.total_minor),
        "CN-1 of INV-1": (note.subtotal_minor, note.tax_minor, note.carried_minor, note.total_minor),
        "INV-2 for INV-1": (
            replacement.subtotal_minor, replacement.tax_minor, replacement.carried_minor, replacement.total_minor,
        ),
    }  # fmt: skip
    assert told == expected
    assert (first.status, first.amount_paid_minor, first.credited_minor) == ("paid", 0, 18_150)
    assert (replacement.status, replacement.amount_paid_minor) == ("paid", 15_000)
    assert Payment.objects.get().unallocated_minor == 3_150
    assert BillingException.objects.get(resolved_at=None).amount_minor == 3_150
    assert balance(tenant, LedgerAccount.RECEIVABLE, first.number or "") == 0
    assert balance(tenant, LedgerAccount.RECEIVABLE, replacement.number or "") == 0

    # All three name one another; the buyer is as it is now.
    content = replacement.document.content
    assert content["replaces"] == {"number": first.number, "issued_on": "2026-04-01", "credit_note": note.number}
    assert (content["customer"]["legal_name"], content["due_minor"]) == ("Acme Holding NV", 0)
    assert (note.content["invoice_number"], note.content["replaced_by"]) == (first.number, replacement.number)
    assert (first.replaced_by, replacement.original, replacement.boundary) == (replacement, first, None)
    assert deliver_documents(as_of=APRIL + 3 * DAY).failures == []
    assert differences(APRIL + 3 * DAY) == []

    void(tenant, test, APRIL + 4 * DAY)
    run_invoicing(as_of=MAY + GRACE)
    # The correction comes once, with the tax of the replacement; the next invoices owe nothing of the old one's.
    assert lines(number_of(2), "adjustment") == [(-5_000, "AE 0")]
    assert (number_of(2).tax_minor, number_of(2).carried_minor) == (0, 5_000)
    void(tenant, rest, MAY + DAY)
    run_invoicing(as_of=JUNE + GRACE)
    assert lines(number_of(3), "adjustment") == [(-10_000, "AE 0")]
    run_invoicing(as_of=JULY + GRACE)
    assert lines(number_of(4), "adjustment") == []
    assert differences(JULY + DAY) == []


def rows_of_page() -> Iterable[list[str]]:
    return rows_below("invoicing", "document", "lines", "tax", "credit", "total", "paid by then", "waits for a person")


def test_what_never_left_the_house_is_void_and_issued_again_and_again() -> None:
    # The replacement has the wrong address, too. Then usage is voided, and at last the second one is credited.
    subscription, test, rest = sold()
    tenant, first = subscription.tenant, number_of(1)
    second = again(first, APRIL + DAY)
    first.refresh_from_db()
    assert (first.status, first.void_reason) == ("void", f"Replaced by {second.number}: {WHY}")
    assert (CreditNote.objects.count(), second.status, second.total_minor) == (0, "finalized", first.total_minor)
    assert second.document.content["replaces"]["credit_note"] == ""
    move_to_reverse_charge(tenant)
    third = again(second, APRIL + 2 * DAY)
    second.refresh_from_db()
    assert (second.status, third.original, third.replaces) == ("void", first, second)
    assert (third.tax_minor, third.total_minor) == (0, 17_900)
    for taken in (first, second):
        with pytest.raises(InvoiceStatusError, match="void: there is nothing to issue again"):
            again(taken, APRIL + 3 * DAY)
    assert differences(APRIL + 3 * DAY) == []
    void(tenant, test, APRIL + 4 * DAY)
    run_invoicing(as_of=MAY + GRACE)
    assert lines(number_of(2), "adjustment") == [(-5_000, "AE 0")]

    # Once the last document in its place is gone, so is what it charged: the 50.00 that it gave back are owed.
    deliver_documents(as_of=MAY + DAY)
    issue_credit_note(invoice_id=third.pk, reason="All of it.", actor=STAFF, as_of=MAY + DAY)
    void(tenant, rest, MAY + 2 * DAY)
    run_invoicing(as_of=JUNE + GRACE)
    assert lines(number_of(3), "adjustment") == [(5_000, "AE 0")]
    run_invoicing(as_of=JULY + GRACE)
    assert lines(number_of(4), "adjustment") == []
    assert differences(JULY + DAY) == []


def test_fees_and_credit_that_stand_on_an_invoice_that_is_issued_again() -> None:
    # A smaller plan gives back of a fee, the credit is used by an invoice, and both are issued again.
    from_plan = sold(fee="99")
    tenant = from_plan[0].tenant
    void(tenant, from_plan[1], APRIL + DAY)
    void(tenant, from_plan[2], APRIL + DAY)
    run_invoicing(as_of=MAY + GRACE)
    giving, total = number_of(2), -15_000 + 9_900
    assert (giving.subtotal_minor, giving.carried_minor) == (total, 6_171)
    run_invoicing(as_of=JUNE + GRACE)
    using = number_of(3)
    assert (using.carried_minor, using.total_minor) == (-6_171, 11_979 - 6_171)
    move_to_reverse_charge(tenant)
    # What it gave back bears the tax of the invoice of March, which stays; its own fee does not any more.
    giving_again = again(giving, JUNE + DAY)
    assert (giving_again.tax_minor, giving_again.carried_minor) == (-3_150, 8_250)
    using_again = again(using, JUNE + 2 * DAY)
    assert (using_again.tax_minor, using_again.carried_minor, using_again.total_minor) == (0, -6_171, 9_900 - 6_171)
    run_invoicing(as_of=JULY + GRACE)
    assert lines(number_of(4), "carry") == [(-2_079, " 0")]
    # If the one that gave it is taken back, it comes again; if the one that used it is, it is there again.
    void_invoice(invoice_id=using_again.pk, reason="Another mistake.", actor=STAFF, as_of=JULY + DAY)
    run_invoicing(as_of=JULY + 31 * DAY + GRACE)
    assert lines(number_of(5), "carry") == [(-6_171, " 0")]
    assert differences(JULY + 32 * DAY) == []


def test_an_uncollectible_invoice_that_is_issued_again_is_owed_again() -> None:
    subscription, test, _ = sold()
    first = number_of(1)
    mark_uncollectible(invoice_id=first.pk, reason="bankrupt", actor=STAFF, as_of=APRIL + DAY)
    void(subscription.tenant, test, APRIL + 2 * DAY)
    run_invoicing(as_of=MAY + GRACE)
    assert lines(number_of(2), "adjustment") == [(0, "S 21")]
    second = again(first, MAY + DAY)
    run_invoicing(as_of=JUNE + GRACE)
    assert lines(number_of(3), "adjustment") == [(-5_000, "S 21")]
    assert differences(JUNE + DAY) == []
    mark_uncollectible(invoice_id=second.pk, reason="bankrupt again", actor=STAFF, as_of=JUNE + 2 * DAY)
    run_invoicing(as_of=JULY + GRACE)
    assert lines(number_of(4), "adjustment") == []
    assert differences(JULY + DAY) == []


def test_a_later_invoice_that_corrects_with_the_old_tax_is_issued_again_with_it() -> None:
    # What is paid of both moves with them: 181.50 and 29.00 were paid, no tax of it is owed any more (R7).
    subscription, test, _ = sold(fee="100")
    void(subscription.tenant, test, APRIL + DAY)
    pay(number_of(1), at=APRIL + DAY)
    run_invoicing(as_of=MAY + GRACE)
    move_to_reverse_charge(subscription.tenant)
    first = again(number_of(1), MAY + DAY)
    [second] = Invoice.objects.filter(original=number_of(2))
    assert (lines(second, "adjustment"), second.replaces) == ([(-5_000, "AE 0")], number_of(2))
    assert (first.total_minor, second.total_minor, first.tax_minor + second.tax_minor) == (25_000, 5_000, 0)
    assert (first.status, first.amount_paid_minor, second.amount_paid_minor) == ("paid", 25_000, 0)
    assert CreditNote.objects.get().invoice == number_of(1)
    assert number_of(2).status == "void"
    assert differences(MAY + 2 * DAY) == []
    void_invoice(invoice_id=second.pk, reason="All of it.", actor=STAFF, as_of=MAY + 3 * DAY)
    run_invoicing(as_of=JUNE + GRACE)
    assert lines(number_of(3), "adjustment") == [(-5_000, "AE 0")]
    assert differences(JUNE + DAY) == []


def test_nothing_is_issued_again_if_an_invoice_that_follows_cannot_be() -> None:
    subscription, test, _ = sold()
    void(subscription.tenant, test, APRIL + DAY)
    use(subscription.tenant, 100_000, at=APRIL + 2 * DAY)
    run_invoicing(as_of=MAY + GRACE)
    second = number_of(2)
    credit_in_part(
        invoice_id=second.pk, goes_to=CreditTarget.REFUND, reason="x", actor=STAFF, as_of=MAY + DAY, amount_minor=100
    )
    move_to_reverse_charge(subscription.tenant)
    why = f"{second.number} corrects it with the old tax, and is to be issued again with it. Part of the invoice"
    with pytest.raises(InvoiceStatusError, match=why):
        again(number_of(1), MAY + 2 * DAY)
    assert (number_of(1).status, Invoice.objects.filter(kind="replacement").count()) == ("finalized", 0)


def test_nothing_is_taken_back_where_nothing_can_be_issued() -> None:
    subscription, _, _ = sold()
    first = number_of(1)
    Tenant.objects.filter(pk=subscription.tenant_id).update(country="DE")
    with pytest.raises(InvoiceStatusError, match="DE"):
        again(first, APRIL + DAY)
    first.refresh_from_db()
    assert (first.status, Invoice.objects.count(), CreditNote.objects.count()) == ("finalized", 2, 0)
    Tenant.objects.filter(pk=subscription.tenant_id).update(country="BE")
    deliver_documents(as_of=APRIL + GRACE)
    issue_credit_note(invoice_id=first.pk, reason="All of it.", actor=STAFF, as_of=APRIL + DAY)
    with pytest.raises(InvoiceStatusError, match="There is a credit note for this invoice"):
        again(first, APRIL + 2 * DAY)


@pytest.mark.as_owner
def test_a_replacement_that_says_something_else_is_named() -> None:
    sold()
    second = again(number_of(1), APRIL + DAY)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE billing_invoiceline SET amount_minor = 1 WHERE invoice_id = %s AND position = 1", [second.pk]
        )
        cursor.execute("SET session_replication_role = DEFAULT")
    assert any("amount_minor is 1, and 15000 follows" in told for told in differences(APRIL + 2 * DAY))
