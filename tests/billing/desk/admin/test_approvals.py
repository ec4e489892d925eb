"""Requests of colleagues in the admin: found, approved, rejected and withdrawn."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from billing.desk.models import Approval, WriteOff
from billing.models import Invoice, Payment
from billing.services.invoicing.payments import record_payment
from tests.billing.admin.desk import act, issued, latest_entry, listed, page, said
from tests.billing.desk.colleagues import asked
from tests.billing.world import first_invoice, set_issuer, subscribe_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def overdue() -> Invoice:
    """Return an invoice over 49.00 EUR of two months ago; above 20.00 a colleague is needed."""
    set_issuer(country="BE", approval_above=Decimal(20))
    return first_invoice(subscribe_tenant(as_of=timezone.now() - timedelta(days=60)))


def test_what_one_asks_for_another_one_approves(
    as_bo: Client, as_robin: Client, as_pat: Client, overdue: Invoice
) -> None:
    text = as_bo.get(page(overdue, "write_off")).content.decode()
    assert "waits until a colleague approves it" in text
    assert "It waits for a colleague" in act(as_bo, overdue, "write_off", reason="Bankrupt")
    approval = Approval.objects.get()
    assert page(approval) in as_pat.get(listed(Approval)).content.decode()
    own, other, reader = (client.get(page(approval)).content.decode() for client in (as_bo, as_robin, as_pat))
    assert [("/withdraw/" in text, "/approve/" in text, "/reject/" in text) for text in (own, other, reader)] == [
        (True, False, False), (False, True, True), (False, False, False),
    ]  # fmt: skip
    assert "Approvals" in as_robin.get(reverse("admin:index")).content.decode()
    assert "cannot approve your own request" in act(as_bo, approval, "approve")
    assert as_pat.post(page(approval, "approve")).status_code == 403
    assert "Bankrupt" in as_robin.get(page(approval, "approve")).content.decode()
    assert "Approved and done" in act(as_robin, approval, "approve")
    assert latest_entry().action == "approval.approved"
    shown = as_pat.get(page(overdue)).content.decode()
    assert "Bankrupt" in shown
    assert "Written off" in shown
    assert "Not possible now" in said(as_robin.get(page(approval, "approve")))


def test_a_request_is_rejected_or_withdrawn(as_bo: Client, as_robin: Client, overdue: Invoice) -> None:
    act(as_bo, overdue, "write_off", reason="Bankrupt")
    first = Approval.objects.get()
    assert "Rejected" in act(as_robin, first, "reject", reason="Ask again")
    act(as_bo, overdue, "write_off", reason="Bankrupt")
    second = Approval.objects.get(status="open")
    assert as_bo.get(page(second, "withdraw")).status_code == 200
    assert "Withdrawn" in act(as_bo, second, "withdraw")
    assert not WriteOff.objects.exists()
    assert "Ask again" in as_bo.get(page(first)).content.decode()


def test_a_request_about_a_payment_leads_to_it(as_robin: Client) -> None:
    invoice = issued()
    now = timezone.now()
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="in_1", amount_minor=7900, currency="EUR",
        occurred_at=now, as_of=now,
    )  # fmt: skip
    set_issuer(country="BE", approval_above=Decimal(20))
    payment = Payment.objects.get()
    given = {"amount": "30", "way": "provider", "reference": "re_1", "reason": "Paid too much"}
    assert "It waits for a colleague" in act(as_robin, payment, "refund", **given)
    text = as_robin.get(page(Approval.objects.get())).content.decode()
    assert page(payment) in text
    assert "By the payment provider, re_1" in text


def test_who_approves_an_invoice_sees_its_items(as_bo: Client, as_robin: Client) -> None:
    issued()
    set_issuer(country="BE", approval_above=Decimal(20))
    item = {"description_1": "Setup & training", "quantity_1": "2", "unit_1": "days", "unit_price_1": "250"}
    given = item | {"first_on_1": "2026-03-02", "last_on_1": "2026-03-03", "tenant": "acme", "reason": "Agreed."}
    as_bo.post(reverse("admin:billing_invoice_write_invoice"), given)
    approval = Approval.objects.get()
    for asked_page in (page(approval), page(approval, "approve"), page(approval, "reject")):
        text = as_robin.get(asked_page).content.decode()
        assert "Setup &amp; training: 2 days at 250.00\N{NO-BREAK SPACE}EUR, 2026-03-02 to 2026-03-03" in text
        assert "Agreed.." not in text


def test_a_request_of_an_erased_colleague_names_a_pseudonym(as_robin: Client, overdue: Invoice) -> None:
    approval = asked(overdue, by="ann", as_of=timezone.now())
    User.objects.filter(pk=approval.requester_id).update(email="person-1@erased.invalid")
    assert "person-1@erased.invalid" in as_robin.get(page(approval)).content.decode()
