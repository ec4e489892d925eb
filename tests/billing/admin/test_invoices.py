"""Invoices in the admin: what is shown, what needs a confirmation, what is refused, and who may act."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import AuditEntry, StoredFile, Tenant
from accounts.notices.models import OutboundMail
from billing.models import CreditNote, DocumentFile, Invoice, Payment
from billing.selectors.invoicing.due import Due
from billing.services.documents.deliveries import deliver_documents
from billing.services.invoicing.drafting import draft_batch
from billing.services.invoicing.running import run_invoicing, run_invoicing_job
from billing.services.invoicing.staff_actions import void_invoice
from tests.billing.admin.desk import act, issued, latest_entry, listed, page, said, sold
from tests.billing.after_change import test_row_06_issued_again as row_06
from tests.billing.world import GRACE, MARCH, STAFF, close_month, first_invoice, make_plan, subscribe_tenant, use

pytestmark = pytest.mark.django_db

ACTIONS = (
    "finalize",
    "void",
    "mark_uncollectible",
    "issue_credit_note",
    "record_payment",
    "issue_again",
    "credit_in_part",
    "resend",
)


def drafted(slug: str = "acme") -> Invoice:
    subscription = sold(slug)
    draft_batch(as_of=timezone.now(), due=Due(tenant_ids=[subscription.tenant_id]))
    return Invoice.objects.get(subscription=subscription)


def stored_pdf(number: Any) -> None:
    StoredFile.objects.create(
        sha256="a" * 64, media_type="application/pdf", content=b"%PDF-", created_at=timezone.now()
    )
    DocumentFile.objects.create(number=number, file_id="a" * 64, created_at=timezone.now())


def test_the_page_shows_lines_with_their_explanation_taxes_and_total(as_pat: Client) -> None:
    subscription = subscribe_tenant()
    use(subscription.tenant, 12_345, at=MARCH + timedelta(days=2))
    invoice = close_month(subscription)
    text = as_pat.get(page(invoice)).content.decode()
    assert "Units: 12,345 \N{MULTIPLICATION SIGN} 0.001 = 12.345" in text
    assert "Rounded half up from 12.345\N{NO-BREAK SPACE}EUR = 0.005" in text
    assert "61.35\N{NO-BREAK SPACE}EUR" in text
    assert "Pro: monthly fee" in text


def test_the_list_sums_what_its_filters_choose_by_currency_and_status(as_pat: Client) -> None:
    plan = make_plan()
    void_invoice(invoice_id=issued("one", plan=plan).pk, reason="Twice", actor=STAFF, as_of=timezone.now())
    issued("two", plan=plan)
    issued("three", plan=plan)
    sums = as_pat.get(listed(Invoice)).context["cl"].sums
    assert [(row["status"], row["number"], row["total"]) for row in sums] == [
        ("Finalized", 2, "98.00\N{NO-BREAK SPACE}EUR"), ("Void", 1, "49.00\N{NO-BREAK SPACE}EUR"),
    ]  # fmt: skip
    sums = as_pat.get(listed(Invoice), {"status__exact": "void"}).context["cl"].sums
    assert [row["number"] for row in sums] == [1]


def test_overdue_invoices_and_a_month_are_found(as_pat: Client) -> None:
    plan = make_plan()
    late = first_invoice(subscribe_tenant("late", plan=plan, as_of=timezone.now() - timedelta(days=40)))
    fresh = issued("fresh", plan=plan)
    rows = as_pat.get(listed(Invoice), {"payment": "overdue"}).context["cl"].result_list
    assert [row.pk for row in rows] == [late.pk]
    assert "overdue" in as_pat.get(listed(Invoice)).content.decode()
    month = f"{fresh.issued_on:%Y-%m}"
    rows = as_pat.get(listed(Invoice), {"issued_in": month}).context["cl"].result_list
    assert fresh.pk in {row.pk for row in rows}
    assert as_pat.get(listed(Invoice), {"issued_in": "nonsense", "payment": "failed"}).status_code in {200, 302}


def test_the_list_of_invoices_takes_as_many_queries_whatever_its_length(
    as_pat: Client, django_assert_num_queries: Any
) -> None:
    plan = make_plan()
    issued("one", plan=plan)
    as_pat.get(listed(Invoice))
    with CaptureQueriesContext(connection) as few:
        as_pat.get(listed(Invoice))
    for number in range(4):
        issued(f"more-{number}", plan=plan)
    with django_assert_num_queries(len(few)):
        as_pat.get(listed(Invoice))


def test_a_draft_is_finalized_before_its_grace_is_over_and_audited(as_bo: Client) -> None:
    invoice = drafted()
    assert "gets its number" in as_bo.get(page(invoice, "finalize")).content.decode()
    assert "is finalized: 49.00" in act(as_bo, invoice, "finalize")
    invoice.refresh_from_db()
    assert invoice.status == "finalized"
    entry = latest_entry()
    assert (entry.action, entry.actor_kind, entry.actor_label) == ("invoice.finalized", "staff", "bo@example.org")
    assert "Only a draft can be finalized." in act(as_bo, invoice, "finalize")


def test_voiding_needs_a_reason_and_a_second_request_is_refused(as_bo: Client, as_robin: Client) -> None:
    invoice = issued()
    assert f"Void {invoice.number}?" in as_bo.get(page(invoice, "void")).content.decode()
    assert "This field is required" in as_bo.post(page(invoice, "void"), {"reason": ""}).content.decode()
    assert "is void" in act(as_bo, invoice, "void", reason="Sold twice")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.void_reason) == ("void", "Sold twice")
    assert "void does not become void" in act(as_robin, invoice, "void", reason="Sold twice")
    assert "Not possible now" in said(as_robin.get(page(invoice, "void")))


def test_an_invoice_is_marked_uncollectible_and_then_paid_after_all(as_bo: Client) -> None:
    invoice = issued()
    act(as_bo, invoice, "mark_uncollectible", reason="Bankrupt")
    today = timezone.now().date()
    given = {"amount": "49.00", "received_on": str(today), "reference": "SEPA 1"}
    assert "is paid" in act(as_bo, invoice, "record_payment", **given)
    payment = Payment.objects.get(invoice=invoice)
    assert (payment.provider, payment.amount_minor, payment.reference) == ("manual", 4900, "SEPA 1")
    assert "takes no payment" in act(as_bo, invoice, "record_payment", **(given | {"reference": "SEPA 2"}))


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("amount", "48.999", "More digits than the currency has."),
        ("amount", "NaN", "Enter a number."),
        ("received_on", "2099-01-01", "This day has not come yet."),
        ("reference", "", "This field is required."),
    ],
)
def test_an_impossible_payment_is_refused_at_its_field(as_bo: Client, field: str, value: str, sentence: str) -> None:
    invoice = issued()
    given = {"amount": "49.00", "received_on": str(timezone.now().date()), "reference": "SEPA 1"} | {field: value}
    assert sentence in as_bo.post(page(invoice, "record_payment"), given).content.decode()
    assert not Payment.objects.exists()


def test_an_invoice_may_be_paid_in_part_and_an_overpayment_needs_a_confirmation(as_bo: Client) -> None:
    invoice = issued()
    given = {"amount": "40", "received_on": str(timezone.now().date()), "reference": "SEPA 1"}
    assert "9.00\N{NO-BREAK SPACE}EUR are due" in act(as_bo, invoice, "record_payment", **given)
    text = as_bo.get(page(invoice)).content.decode()
    assert "40.00\N{NO-BREAK SPACE}EUR" in text
    assert "/void/" not in text
    more = given | {"reference": "SEPA 2"}
    assert "Tick below if more arrived" in as_bo.post(page(invoice, "record_payment"), more).content.decode()
    assert "is paid" in act(as_bo, invoice, "record_payment", **more, is_more="on")
    assert Payment.objects.get(reference="SEPA 2").unallocated_minor == 3100


def test_a_credit_note_is_issued_once(as_bo: Client) -> None:
    invoice = issued()
    assert "credits" in act(as_bo, invoice, "issue_credit_note", reason="Wrong plan")
    note = CreditNote.objects.get(invoice=invoice)
    assert (note.reason, note.issued_by) == ("Wrong plan", "bo@example.org")
    assert "There is a credit note" in act(as_bo, invoice, "issue_credit_note", reason="Again")
    assert note.number in as_bo.get(page(invoice)).content.decode()
    assert as_bo.get(page(note)).status_code == 200


def test_an_invoice_is_issued_again_to_the_buyer_as_it_is_now(as_bo: Client) -> None:
    invoice = issued()
    Tenant.objects.filter(pk=invoice.tenant_id).update(legal_name="Acme Holding NV")
    text = as_bo.get(page(invoice, "issue_again")).content.decode()
    assert "It never left the house" in text
    assert "under a new number to Acme Holding NV" in text
    assert "as before. What was paid" in text
    assert "replaces" in act(as_bo, invoice, "issue_again", reason="Wrong name")
    again = Invoice.objects.get(replaces=invoice)
    assert again.document.content["customer"]["legal_name"] == "Acme Holding NV"
    assert page(again) in as_bo.get(page(invoice)).content.decode()
    assert page(invoice) in as_bo.get(page(again)).content.decode()
    assert "nothing to issue again" in act(as_bo, invoice, "issue_again", reason="Again")


def test_the_question_names_the_invoices_that_are_issued_again_with_it(as_bo: Client) -> None:
    subscription, test, _ = row_06.sold()
    row_06.void(subscription.tenant, test, row_06.APRIL + row_06.DAY)
    run_invoicing(as_of=row_06.MAY + GRACE)
    row_06.move_to_reverse_charge(subscription.tenant)
    first, second = row_06.number_of(1), row_06.number_of(2)
    text = " ".join(as_bo.get(page(first, "issue_again")).content.decode().split()).replace("\N{NO-BREAK SPACE}", " ")
    assert f"{second.number} corrects {first.number} with the tax that it no longer bears" in text
    assert "taken back by a credit note, over 0.00 EUR as before" in text


def test_a_part_is_credited_by_line_after_a_preview(as_bo: Client) -> None:
    subscription = subscribe_tenant(plan=make_plan())
    first_invoice(subscription)
    use(subscription.tenant, 60_000, at=MARCH + timedelta(days=1))
    invoice = close_month(subscription)
    asked = {"line_1": "10.00", "goes_to": "refund", "reason": "An outage"}
    text = as_bo.post(page(invoice, "credit_in_part"), {**asked, "preview": ""}).content.decode()
    assert "What the credit note would say" in text
    assert CreditNote.objects.count() == 0
    both = as_bo.post(page(invoice, "credit_in_part"), {**asked, "amount": "1.00"}).content.decode()
    assert "One amount, or amounts of lines." in both
    assert "credits" in act(as_bo, invoice, "credit_in_part", **asked)
    note = CreditNote.objects.get(part_of=invoice)
    assert (note.subtotal_minor, note.goes_to) == (1_000, "refund")
    text = as_bo.get(page(invoice)).content.decode()
    assert page(note) in text
    assert "/issue_credit_note/" not in text
    assert as_bo.get(page(note)).status_code == 200
    assert (
        "at most"
        in as_bo.post(page(invoice, "credit_in_part"), {**asked, "line_1": "900", "preview": ""}).content.decode()
    )


def test_the_stored_pdf_is_shown_once_it_is_there(as_pat: Client) -> None:
    invoice = issued()
    assert as_pat.get(page(invoice, "pdf")).status_code == 404
    assert "/pdf/" not in as_pat.get(page(invoice)).content.decode()
    stored_pdf(invoice.number)
    response = as_pat.get(page(invoice, "pdf"))
    assert (response.content, response["Content-Type"]) == (b"%PDF-", "application/pdf")
    assert response["Content-Disposition"] == f'inline; filename="{invoice.number}.pdf"'
    assert "/pdf/" in as_pat.get(page(invoice)).content.decode()


def test_buttons_of_an_invoice_are_shown_when_its_state_allows_them(as_bo: Client) -> None:
    plan = make_plan()
    draft, open_one = drafted("draft"), issued("open", plan=plan)
    text = as_bo.get(page(draft)).content.decode()
    assert [name for name in ACTIONS if f"/{name}/" in text] == ["finalize"]
    text = as_bo.get(page(open_one)).content.decode()
    assert [name for name in ACTIONS if f"/{name}/" in text] == [
        "void", "mark_uncollectible", "issue_credit_note", "record_payment", "issue_again", "credit_in_part",
    ]  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
def test_staff_who_only_read_cannot_act_on_invoices(
    as_kim: Client, as_pat: Client, as_alice: Client, action: str
) -> None:
    invoice = issued()
    for client in (as_kim, as_pat):
        assert client.get(page(invoice, action)).status_code == 403
        assert client.post(page(invoice, action), {"reason": "x"}).status_code == 403
        assert f"/{action}/" not in client.get(page(invoice)).content.decode()
    assert as_alice.post(page(invoice, action), {"reason": "x"}).status_code == 302
    invoice.refresh_from_db()
    assert invoice.status == "finalized"


@pytest.mark.parametrize("action", ["change", "pdf", *ACTIONS])
@pytest.mark.parametrize("object_id", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_invoice_id_is_not_found(as_robin: Client, action: str, object_id: str) -> None:
    assert as_robin.get(f"/admin/billing/invoice/{object_id}/{action}/").status_code in {302, 404}


def test_an_invoice_is_mailed_again_with_its_pdf(as_bo: Client) -> None:
    invoice = issued()
    deliver_documents(as_of=timezone.now())
    assert as_bo.get(page(invoice, "pdf")).content.startswith(b"%PDF-")
    assert "sent the mail with the same PDF" in as_bo.get(page(invoice, "resend")).content.decode()
    assert "is queued" in act(as_bo, invoice, "resend")
    assert OutboundMail.objects.filter(attachment_name=f"{invoice.number}.pdf").count() == 2
    assert "bills@acme.example" in as_bo.get(page(invoice)).content.decode()
    assert (latest_entry().action, latest_entry().actor_label) == ("invoice.resent", "bo@example.org")
    assert "/void/" not in as_bo.get(page(invoice)).content.decode()
    assert "was mailed" in act(as_bo, invoice, "void", reason="Sold twice")
    act(as_bo, invoice, "issue_credit_note", reason="Sold twice")
    assert "it is not sent" in act(as_bo, invoice, "resend")


# Run invoicing

RUN = "/admin/billing/invoice/run/"


def test_an_invoicing_run_is_previewed_first_and_writes_nothing(as_bo: Client) -> None:
    plan = make_plan(fee={"EUR": "49", "CHF": "52"})
    sold("euro", plan=plan)
    sold("swiss", plan=plan, currency="CHF")
    response = as_bo.get(RUN, {"month": "", "tenant": ""})
    plan_shown = response.context["plan"]
    assert (plan_shown["number"], plan_shown["totals"]) == (
        2,
        ["52.00\N{NO-BREAK SPACE}CHF", "49.00\N{NO-BREAK SPACE}EUR"],
    )
    assert not Invoice.objects.exists()
    assert as_bo.get(RUN, {"month": "", "tenant": "swiss"}).context["plan"]["number"] == 1
    assert "No tenant has this slug." in as_bo.get(RUN, {"month": "", "tenant": "unknown"}).content.decode()
    assert as_bo.get(RUN, {"month": "1999-13"}).context["plan"] is None


def test_an_invoicing_run_is_queued_with_what_was_entered(as_bo: Client) -> None:
    subscription = sold()
    month = f"{timezone.now():%Y-%m}"
    response = as_bo.post(RUN, {"month": month, "tenant": "acme"})
    assert response.status_code == 302
    (waiting,) = OrmQ.objects.all()
    assert waiting.task["func"] == "billing.tasks.run_invoicing"
    assert waiting.task["args"] == ("bo@example.org", month, [str(subscription.tenant_id)])
    assert AuditEntry.objects.filter(action="invoicing.started", actor_label="bo@example.org").count() == 1
    text = as_bo.get(response["Location"]).content.decode()
    assert "Queued." in text
    assert "hx-trigger" in text


def test_the_page_shows_the_progress_of_invoicing_runs(as_bo: Client) -> None:
    sold()
    run_invoicing_job(started_by="bo@example.org", as_of=timezone.now())
    response = as_bo.get(RUN)
    (row,) = response.context["runs"]
    assert row["counts"] == {"drafted": 1, "finalized": 1, "parked": 0}
    assert not response.context["looks_again"]


def test_staff_who_only_read_cannot_start_an_invoicing_run(as_kim: Client, as_pat: Client) -> None:
    for client in (as_kim, as_pat):
        assert client.get(RUN).status_code == 403
        assert client.post(RUN, {"month": ""}).status_code == 403
    assert not OrmQ.objects.exists()
