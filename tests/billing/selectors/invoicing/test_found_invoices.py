"""The sums of invoices by currency: each amount once, void ones not at all, and due only if it is still asked for."""

from datetime import date

from billing.models import CreditTarget, Invoice
from billing.selectors.invoicing.found_invoices import CurrencySums, InvoiceFilter, found_invoices, sums_by_currency
from billing.services.invoicing.crediting import credit_in_part
from billing.services.invoicing.staff_actions import mark_uncollectible, void_invoice
from tests.billing.world import MARCH, STAFF, close_month, first_invoice, subscribe_tenant


def test_sums_of_void_uncollectible_credited_and_open_invoices(db: None) -> None:
    subscription = subscribe_tenant()
    first = first_invoice(subscription)
    second, third, fourth = (close_month(subscription) for _ in range(3))
    void_invoice(invoice_id=first.pk, reason="Twice", actor=STAFF, as_of=MARCH)
    mark_uncollectible(invoice_id=second.pk, reason="Insolvent", actor=STAFF, as_of=MARCH)
    credit_in_part(
        invoice_id=third.pk,
        goes_to=CreditTarget.BALANCE,
        reason="An outage",
        actor=STAFF,
        as_of=MARCH,
        amount_minor=900,
    )
    unpaid = {"tenant_id": subscription.tenant_id, "today": date(2026, 6, 2)}

    [sums] = sums_by_currency(found_invoices(wanted=InvoiceFilter(), **unpaid))

    totals = [one.total_minor for one in (second, third, fourth)]
    third.refresh_from_db()
    credited = third.credited_minor
    assert credited > 0
    assert sums == CurrencySums("EUR", 4, sum(totals), 0, credited, sum(totals[1:]) - credited)
    Invoice.objects.filter(pk=fourth.pk).update(payment_failed_at=MARCH)
    assert fourth in found_invoices(wanted=InvoiceFilter(state="overdue"), **unpaid)
    assert fourth not in found_invoices(wanted=InvoiceFilter(state="open"), **unpaid)
