"""Exceptions, mails and Stripe's events in the admin: all staff read them, and staff who bill decide about them."""

import re
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Tenant
from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import OutboundMail, OutboxEvent
from billing.collection.models import InboxEvent, ProviderAgreement, ProviderCustomer, ProviderInvoice, UsagePush
from billing.models import BillingException, CreditNote, CreditSetOff, NumberSeries, Payment, TaxIdCheck
from billing.services.invoicing.payments import record_payment
from tests.billing.admin.desk import act, issued, latest_entry, listed, page, said, sold
from tests.billing.models.rows import set_off

pytestmark = pytest.mark.django_db

REGISTERED = sorted(
    (model for model in admin.site._registry if model._meta.app_label in {"billing", "collection"}),
    key=lambda model: str(model._meta.model_name),
)
WRITTEN_BY_MACHINES = [
    BillingException,
    CreditNote,
    CreditSetOff,
    NumberSeries,
    OutboundMail,
    OutboxEvent,
    Payment,
    TaxIdCheck,
    InboxEvent,
    ProviderAgreement,
    ProviderCustomer,
    ProviderInvoice,
    UsagePush,
]


@pytest.fixture
def exception(db: None) -> BillingException:
    return BillingException.objects.create(
        subscription=sold(), code="negative_usage", detail="calls comes to -3.", occurred_at=timezone.now()
    )


def mail_to(tenant: Tenant, status: MailStatus) -> OutboundMail:
    now = timezone.now()
    return OutboundMail.objects.create(
        tenant=tenant, kind="invoice", dedupe_key=f"{status}", recipients=["bills@acme.example"], subject="Invoice 1",
        text="Dear all", html="<p>Dear all</p>", status=status, created_at=now, next_attempt_at=now,
        sent_at=now if status is MailStatus.SENT else None, error="550 no such user", attempts=8,
    )  # fmt: skip


@pytest.mark.takes_long("it opens every list of staff")
def test_every_list_opens_for_each_group_and_for_no_customer(
    as_robin: Client, as_bo: Client, as_kim: Client, as_pat: Client, as_alice: Client
) -> None:
    for model in REGISTERED:
        for client in (as_robin, as_bo, as_kim, as_pat):
            assert client.get(listed(model)).status_code == 200, model
        assert as_alice.get(listed(model)).status_code == 302, model


@pytest.mark.takes_long("each list of billing's admin with each of its filters")
def test_every_list_is_searched_and_filtered(as_pat: Client) -> None:
    mail_to(issued().tenant, MailStatus.FAILED)
    questions: tuple[dict[str, str], ...] = (
        {"q": "acme"},
        {"q": "100%_'\""},
        {"status__exact": "failed"},
        {"resolved_at__isempty": "1"},
        {"o": "1.-2"},
    )
    for model, asked in product(REGISTERED, questions):
        # A filter that a list does not have leads back to the list.
        assert as_pat.get(listed(model), asked, follow=True).status_code == 200, (model, asked)


def test_every_table_of_money_that_staff_should_see_has_its_page() -> None:
    hidden = {
        "price",
        "billingprofile",
        "memberpreference",
        "subscriptionphase",
        "invoiceline",
        "invoicetax",
        "invoicedocument",
        "storedfile",
        "documentfile",
        "paymentallocation",
        "paymentrefund",
        "paymentdispute",
        "invoicehold",
    }
    known = {model._meta.model_name for model in REGISTERED}
    assert {model._meta.model_name for model in apps.get_app_config("billing").get_models()} - hidden <= known
    assert not known & hidden


@pytest.mark.parametrize("model", WRITTEN_BY_MACHINES, ids=lambda model: model._meta.model_name)
def test_no_one_changes_machine_written_rows_by_hand(model: type[Any], as_robin: Client) -> None:
    url = listed(model)
    assert as_robin.get(f"{url}add/").status_code == 403
    assert "/add/" not in as_robin.get(url).content.decode()


# Exceptions


def test_open_exceptions_come_first_and_are_resolved_with_a_note(
    as_bo: Client, as_robin: Client, exception: BillingException
) -> None:
    BillingException.objects.create(
        subscription=exception.subscription, code="absurd_amount", detail="Too much.",
        occurred_at=timezone.now() + timedelta(1),
        resolved_at=timezone.now(), resolved_by="robin", resolution="A test.",
    )  # fmt: skip
    rows = as_bo.get(listed(BillingException)).context["cl"].result_list
    assert [row.code for row in rows] == ["negative_usage", "absurd_amount"]
    assert "calls comes to -3." in as_bo.get(page(exception, "resolve")).content.decode()
    assert "required" in as_bo.post(page(exception, "resolve"), {"reason": ""}).content.decode()
    assert "Resolved." in act(as_bo, exception, "resolve", reason="Voided the wrong event.")
    exception.refresh_from_db()
    assert (exception.resolution, exception.resolved_by) == ("Voided the wrong event.", "bo@example.org")
    assert latest_entry().action == "billing_exception.resolved"
    assert "This exception is already resolved." in act(as_robin, exception, "resolve", reason="Me too.")
    assert "Not possible now" in said(as_robin.get(page(exception, "resolve")))


def test_an_absurd_amount_is_approved_as_it_was_seen(as_bo: Client) -> None:
    invoice = issued()
    exception = BillingException.objects.create(
        subscription=invoice.subscription, code="unusual_amount", detail="Far above.", occurred_at=timezone.now(),
        invoice=invoice, amount_minor=912_000,
    )  # fmt: skip
    question = as_bo.get(page(exception, "approve")).content.decode()
    assert "Bill 9,120.00\N{NO-BREAK SPACE}EUR to" in question
    late = act(as_bo, exception, "approve", reason="Asked them.", seen_minor=911_999)
    assert "does not wait for an approval" in late
    assert "Approved: the next run" in act(as_bo, exception, "approve", reason="Asked them.", seen_minor=912_000)
    assert latest_entry().action == "invoice.amount_approved"
    assert "Approved" in as_bo.get(listed(BillingException)).content.decode()
    assert "Not possible now" in said(as_bo.get(page(exception, "approve")))


def test_remaining_credit_is_taken_off_the_list_and_holds_up_nothing(
    as_bo: Client, exception: BillingException
) -> None:
    assert "looked at again by the next run" in as_bo.get(page(exception, "resolve")).content.decode()
    BillingException.objects.update(code="credit_left", detail="INV-2026-000002 leaves 40.00 EUR.")
    assert "taken off the list" in as_bo.get(page(exception, "resolve")).content.decode()
    assert "taken off the list" in act(as_bo, exception, "resolve", reason="Paid back.")


def test_an_unallocated_payment_is_shown_with_its_exception(as_bo: Client) -> None:
    invoice = issued()
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="pi_1", amount_minor=1, currency="USD",
        occurred_at=timezone.now(),
        as_of=timezone.now(),
    )  # fmt: skip
    exception = BillingException.objects.get()
    text = as_bo.get(page(exception)).content.decode()
    assert "0.01\N{NO-BREAK SPACE}USD were paid, 49.00\N{NO-BREAK SPACE}EUR are due" in text
    assert "Not possible now" in said(as_bo.get(page(exception, "resolve")))
    assert "Unmatched" in as_bo.get(listed(Payment)).content.decode()


# Mails


def test_a_failed_mail_is_sent_again_by_a_member_of_staff(as_bo: Client) -> None:
    mail = mail_to(sold().tenant, MailStatus.FAILED)
    assert "550 no such user" in as_bo.get(page(mail, "send_again")).content.decode()
    assert "is queued" in act(as_bo, mail, "send_again")
    mail.refresh_from_db()
    assert (mail.status, mail.attempts) == ("queued", 0)
    assert latest_entry().action == "mail.requeued"
    assert "Only a mail that failed" in act(as_bo, mail, "send_again")


def test_a_mail_of_unknown_outcome_says_what_sending_it_again_means(as_bo: Client) -> None:
    mail = mail_to(sold().tenant, MailStatus.UNKNOWN)
    assert "arrives twice" in as_bo.get(page(mail, "send_again")).content.decode()
    sent = mail_to(mail.tenant, MailStatus.SENT)
    assert "/send_again/" not in as_bo.get(page(sent)).content.decode()
    assert "Dear all" in as_bo.get(page(sent)).content.decode()


# Who may


def test_staff_who_only_read_cannot_decide_about_records(
    as_kim: Client, as_pat: Client, exception: BillingException
) -> None:
    mail = mail_to(exception.subscription.tenant, MailStatus.FAILED)
    for client in (as_kim, as_pat):
        for obj, action in ((exception, "resolve"), (mail, "send_again")):
            assert client.get(page(obj)).status_code == 200
            assert f"/{action}/" not in client.get(page(obj)).content.decode()
            assert client.post(page(obj, action), {"reason": "x"}).status_code == 403


def test_outbox_events_and_number_series_have_pages(as_pat: Client) -> None:
    invoice = issued()
    event = OutboxEvent.objects.get(type="invoice.finalized")
    assert str(invoice.number) in as_pat.get(page(event)).content.decode()
    assert as_pat.get(page(NumberSeries.objects.get())).status_code == 200


@pytest.mark.parametrize("model", [Payment, OutboundMail, OutboxEvent, BillingException])
def test_long_tables_are_never_counted(as_pat: Client, model: type[Any]) -> None:
    with CaptureQueriesContext(connection) as queries:
        as_pat.get(listed(model))
    assert not [query for query in queries if re.search(r"COUNT\(\*\)", query["sql"])]


def test_credit_that_pays_an_invoice_is_listed_and_on_its_page(as_bo: Client) -> None:
    invoice = issued()
    pays = set_off(invoice, amount_minor=1200)
    set_off(invoice, amount_minor=-1200, reverses=pays)
    assert "paid by credit" in as_bo.get(page(invoice)).content.decode().lower()
    listed_all = as_bo.get("/admin/billing/creditsetoff/").content.decode()
    assert "12.00\N{NO-BREAK SPACE}EUR" in listed_all
    assert "Takes back" in listed_all
    assert "credit_left" in as_bo.get(page(pays)).content.decode()
