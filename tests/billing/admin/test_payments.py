"""What staff do with payments: allocate, unallocate, refund, keep as credit, and record one that names no invoice."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import BillingException, Invoice, Payment, PaymentRefund
from billing.services.invoicing.payments import record_payment
from tests.billing.admin.desk import act, issued, latest_entry, listed, page, said

pytestmark = pytest.mark.django_db

ACTIONS = ("allocate", "refund", "keep", "take_back")


def paid(amount_minor: int = 6000, currency: str = "EUR") -> tuple[Invoice, Payment]:
    """Create an invoice over 49.00 EUR and a payment for it."""
    invoice = issued()
    now = timezone.now()
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="in_1", amount_minor=amount_minor, currency=currency,
        occurred_at=now, as_of=now,
    )  # fmt: skip
    return invoice, Payment.objects.get()


def buttons(client: Client, payment: Payment) -> list[str]:
    text = client.get(page(payment)).content.decode()
    return [name for name in ACTIONS if f"/{name}/" in text]


def test_buttons_of_a_payment_are_shown_when_its_state_allows_them(as_bo: Client) -> None:
    _, payment = paid()
    assert buttons(as_bo, payment) == ["refund", "keep", "take_back"]
    assert "11.00\N{NO-BREAK SPACE}EUR" in as_bo.get(listed(Payment), {"left": "yes"}).content.decode()
    assert "Not possible now" in said(as_bo.get(page(payment, "allocate")))


def test_an_overpayment_is_refunded(as_bo: Client) -> None:
    _, payment = paid()
    assert "can be given back" in as_bo.get(page(payment, "refund")).content.decode()
    given = {"amount": "11", "way": "provider", "reference": "re_1", "reason": "Paid too much"}
    assert "are given back" in act(as_bo, payment, "refund", **given)
    assert PaymentRefund.objects.get().created_by == "bo@example.org"
    assert latest_entry().action == "payment.refunded"
    assert "re_1" in as_bo.get(page(payment)).content.decode()
    assert "can be given back" in act(as_bo, payment, "refund", **(given | {"reference": "re_2"}))
    assert not as_bo.get(listed(Payment), {"left": "yes"}).context["cl"].result_list


def test_a_payment_is_unallocated_from_an_invoice_and_pays_it_again(as_bo: Client) -> None:
    invoice, payment = paid(4900)
    assert buttons(as_bo, payment) == ["take_back"]
    assert "owed again" in act(as_bo, payment, "take_back", invoice=str(invoice.pk), reason="Another's")
    invoice.refresh_from_db()
    assert invoice.status == "finalized"
    given = {"invoice": str(invoice.pk), "amount": "9.00", "reason": "Theirs after all"}
    assert "40.00\N{NO-BREAK SPACE}EUR are due" in act(as_bo, payment, "allocate", **given)
    assert "Theirs after all" in as_bo.get(page(invoice)).content.decode()


def test_an_overpayment_is_kept_for_the_next_invoice(as_bo: Client) -> None:
    _, payment = paid()
    exception = BillingException.objects.get()
    text = as_bo.get(page(exception)).content.decode()
    assert page(payment) in text
    assert "/resolve/" not in text
    assert "next invoices" in act(as_bo, payment, "keep")
    exception.refresh_from_db()
    assert exception.resolved_at is not None


def test_a_payment_without_an_invoice_is_recorded(as_bo: Client) -> None:
    invoice = issued()
    url = reverse("admin:billing_payment_record")
    assert as_bo.get(url).status_code == 200
    given = {
        "tenant": "acme", "currency": "EUR", "amount": "12.50", "received_on": str(timezone.now().date()),
        "reference": "SEPA 7",
    }  # fmt: skip
    for wrong, sentence in (
        ({"tenant": "unknown"}, "no such customer"),
        ({"amount": "12.505"}, "More digits"),
        ({"currency": "euro"}, "Enter a valid value"),
    ):
        assert sentence in as_bo.post(url, given | wrong).content.decode()
    response = as_bo.post(url, given)
    assert (response.status_code, response["Location"]) == (302, listed(Payment))
    payment = Payment.objects.get()
    assert (payment.tenant_id, payment.invoice, payment.amount_minor) == (invoice.tenant_id, None, 1250)
    assert "none" in as_bo.get(listed(Payment)).content.decode()
    assert "already recorded" in said(as_bo.post(url, given))


@pytest.mark.parametrize("action", ACTIONS)
def test_staff_who_only_read_cannot_act_on_payments(
    as_kim: Client, as_pat: Client, as_alice: Client, action: str
) -> None:
    _, payment = paid()
    for client in (as_kim, as_pat):
        assert client.post(page(payment, action), {"reason": "x"}).status_code == 403
    assert as_alice.post(page(payment, action), {"reason": "x"}).status_code == 302
