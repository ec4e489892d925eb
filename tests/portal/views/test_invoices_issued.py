"""The pages of one issued invoice, which is made once for all tests: what they show, and what can be done there."""

import hashlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings
from pytest_django.plugin import DjangoDbBlocker

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import StoredFile
from billing.models import CreditTarget, DocumentFile, Invoice, Subscription
from billing.services.invoicing.crediting import credit_in_part
from billing.services.invoicing.payments import record_failed_payment, record_payment
from billing.services.invoicing.reissuing import reissue_invoice
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from config.workbench.fakestripe.server import FakeStripe
from metering.domain.budgets import BudgetScope, BudgetTerms
from metering.domain.periods import Period
from metering.services.budgets import create_budget
from tests.billing.world import STAFF, use
from tests.portal.conftest import NOW, Cast, make_cast, signed_in
from tests.portal.views.test_invoices import FEBRUARY, JANUARY, issue_march, page_of, subscribe_acme
from tests.portal.views.test_pricing import shown
from tests.shared_world import shared_world


@dataclass(frozen=True)
class Issued:
    """The cast, and the invoice of 1 March of Acme."""

    cast: Cast
    invoice_id: UUID


@pytest.fixture(scope="module")
def issued(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Issued]:
    def make() -> Issued:
        with time_machine.travel(NOW, tick=False):
            cast = make_cast()
            return Issued(cast, issue_march(subscribe_acme(cast)).pk)

    yield from shared_world(django_db_blocker, make)


@pytest.fixture
def cast(issued: Issued, db: None) -> Cast:
    return deepcopy(issued.cast)


@pytest.fixture
def invoice(issued: Issued, db: None) -> Invoice:
    invoice: Invoice = Invoice.objects.get(pk=issued.invoice_id)
    return invoice


def test_the_list_shows_issued_invoices_and_the_next_one(cast: Cast, alice: Client, invoice: Invoice) -> None:
    page = shown(alice.get("/t/acme/invoices/"))

    assert "Next invoice Projected 1\N{EN DASH}31 March 2026 1 Apr 2026 49.00 EUR" in page
    assert f"{invoice.number} 1 Mar 2026 1\N{EN DASH}28 February 2026 Open 15 Mar 2026 50.23 EUR" in page
    assert page.index("INV-2026-000002") < page.index("INV-2026-000001") < page.index("INV-2025-000001")


def test_the_list_is_paged_in_a_fixed_number_of_queries(
    cast: Cast, alice: Client, invoice: Invoice, query_count: Callable[[Client, str], int]
) -> None:
    for_three = query_count(alice, "/t/acme/invoices/")
    copies = [
        Invoice(
            id=f"00000000-0000-7000-8000-{number:012}",
            tenant=cast.acme,
            subscription=invoice.subscription,
            boundary=100 + number,
            status="paid",
            number=f"OLD-{number:03}",
            currency="EUR",
            period_start=JANUARY,
            period_end=FEBRUARY,
            drafted_at=JANUARY,
            computed_at=JANUARY,
            finalize_after=JANUARY,
            finalized_at=JANUARY - timedelta(days=number),
            issued_on=date(2025, 1, 1),
            due_on=date(2025, 1, 15),
            paid_at=JANUARY,
        )
        for number in range(30)
    ]
    Invoice.objects.bulk_create(copies)

    assert query_count(alice, "/t/acme/invoices/") == for_three
    assert "1\N{EN DASH}25 of 33 invoices" in shown(alice.get("/t/acme/invoices/"))
    second = shown(alice.get("/t/acme/invoices/?page=2"))
    assert "26\N{EN DASH}33 of 33 invoices" in second
    assert "Upcoming" not in second


def test_an_invoice_shows_how_its_total_was_computed(cast: Cast, alice: Client, invoice: Invoice) -> None:
    page = page_of(alice, invoice)

    assert "50.23 EUR Open Due on 15 March 2026" in page
    assert (
        "Pro: calls 1\N{EN DASH}28 February 2026 1,234 calls 1.23 EUR Units 1,234 \N{MULTIPLICATION SIGN} 0.001 EUR "
        "1.234 EUR" in page
    )
    assert "Rounded half up from 1.234 EUR \N{MINUS SIGN}0.004 EUR 1,234 events" in page
    assert "Pro: monthly fee 1\N{EN DASH}31 March 2026 \N{EN DASH} 49.00 EUR" in page
    untaxed = "Not subject to tax in the country of the seller."
    assert f"Subtotal 50.23 EUR Tax 0 % 0.00 EUR {untaxed} Total 50.23 EUR" in page


def test_the_payments_and_the_outcome_of_an_invoice_are_shown(cast: Cast, alice: Client, invoice: Invoice) -> None:
    told = {"invoice_id": invoice.pk, "provider": "stripe", "amount_minor": 5023, "currency": "EUR", "as_of": NOW}
    record_failed_payment(**told, reference="pi_1", error="Your card was declined.", occurred_at=NOW)  # type: ignore[arg-type]

    page = page_of(alice, invoice)
    assert "Payment failed" in page
    assert "The payment failed on 10 March 2026, 13:30: Your card was declined." in page
    assert "Failed Your card was declined. Stripe pi_1 50.23 EUR" in page

    record_payment(**told, reference="pi_2", occurred_at=NOW)  # type: ignore[arg-type]
    page = page_of(alice, invoice)
    assert "Paid on 10 March 2026" in page
    assert "Succeeded Stripe pi_2 50.23 EUR" in page

    note = issue_credit_note(invoice_id=invoice.pk, reason="An outage", actor=STAFF, as_of=NOW)
    assert (
        f"Credit note {note.number} of 10 March 2026 credits this invoice in full, 50.23 EUR. Reason: An outage"
        in page_of(alice, invoice)
    )


def test_a_void_invoice_shows_that_it_is_not_owed(cast: Cast, alice: Client, invoice: Invoice) -> None:
    void_invoice(invoice_id=invoice.pk, reason="To the wrong address", actor=STAFF, as_of=NOW)

    page = page_of(alice, invoice)

    assert "Void since 10 March 2026. No payment is due. Reason: To the wrong address" in page
    assert "There is nothing to pay." in shown(alice.get(f"/t/acme/invoices/{invoice.number}/pay/"))


def test_the_pdf_is_the_stored_one(cast: Cast, alice: Client, invoice: Invoice) -> None:
    address = f"/t/acme/invoices/{invoice.number}"
    assert alice.get(f"{address}/pdf/").status_code == 404, "it is not rendered yet"
    assert "PDF" not in page_of(alice, invoice)
    keep_pdf(invoice.number, b"%PDF of the invoice")

    answer = alice.get(f"{address}/pdf/")

    assert (answer.content, answer["Content-Type"]) == (b"%PDF of the invoice", "application/pdf")
    assert answer["Content-Disposition"] == f'attachment; filename="{invoice.number}.pdf"'
    assert f"{address}/pdf/" in alice.get(f"{address}/").content.decode()
    assert alice.get(f"{address}/credit-note/").status_code == 404
    note = issue_credit_note(invoice_id=invoice.pk, reason="A mistake", actor=STAFF, as_of=NOW)
    keep_pdf(note.number, b"%PDF of the note")
    assert alice.get(f"{address}/credit-note/").content == b"%PDF of the note"


def test_an_invoice_and_the_one_that_was_issued_in_its_place_lead_to_each_other(
    alice: Client, invoice: Invoice
) -> None:
    again = reissue_invoice(invoice_id=invoice.pk, reason="The address was wrong.", actor=STAFF, as_of=NOW)
    assert f"replaced by {again.number}" in page_of(alice, invoice)
    assert f"replaces {invoice.number}" in page_of(alice, again)


def test_a_credit_note_over_a_part_is_shown_with_its_pdf(alice: Client, invoice: Invoice) -> None:
    note = credit_in_part(
        invoice_id=invoice.pk, goes_to=CreditTarget.REFUND, amounts={1: 100}, reason="An outage", actor=STAFF, as_of=NOW
    )
    address = f"/t/acme/invoices/{invoice.number}/credit-notes/{note.number}/"
    assert alice.get(address).status_code == 404, "it is not rendered yet"
    keep_pdf(note.number, b"%PDF of the note")
    text = page_of(alice, invoice)
    assert f"Credit note {note.number}" in text
    assert "Credited" in text.rpartition("Total")[2].partition("Due")[0], "between the two that differ by it"
    assert alice.get(address).content == b"%PDF of the note"
    assert alice.get(address.replace(note.number, "CN-2")).status_code == 404


def test_paying_leads_to_stripe_by_a_page_of_ours(
    fake_stripe: FakeStripe, cast: Cast, alice: Client, invoice: Invoice
) -> None:
    assert "Pay now" in page_of(alice, invoice)

    answer = alice.post(f"/t/acme/invoices/{invoice.number}/pay/")

    assert f"url={fake_stripe.url}/" in answer.content.decode()
    assert answer.status_code == 200
    again = alice.post(f"/t/acme/invoices/{invoice.number}/pay/")
    assert again.context["url"] == answer.context["url"], "one invoice there for one of ours"


def test_an_invoice_settled_meanwhile_is_not_paid_again(
    fake_stripe: FakeStripe, cast: Cast, alice: Client, invoice: Invoice
) -> None:
    void_invoice(invoice_id=invoice.pk, reason="A mistake", actor=STAFF, as_of=NOW)

    answer = alice.post(f"/t/acme/invoices/{invoice.number}/pay/", follow=True)

    assert "The invoice is void. There is nothing to pay." in shown(answer)


def test_paying_while_stripe_is_unavailable_shows_a_message(
    settings: Settings, cast: Cast, alice: Client, invoice: Invoice
) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_countinghouseFakeStripe000"
    settings.STRIPE_API_HOST = "http://127.0.0.1:1"

    answer = alice.post(f"/t/acme/invoices/{invoice.number}/pay/")

    assert answer.status_code == 503
    assert "The payment page could not be opened. Nothing was changed or charged" in shown(answer)


def test_without_online_payment_the_invoice_says_how_to_pay(cast: Cast, alice: Client, invoice: Invoice) -> None:
    assert "Pay now" not in page_of(alice, invoice)
    assert "by transfer as it says on the invoice" in page_of(alice, invoice)
    assert "Pay by transfer" in shown(alice.post(f"/t/acme/invoices/{invoice.number}/pay/"))


@pytest.mark.parametrize("position", [2, 3, 10**9])
def test_a_line_that_counts_nothing_has_no_events(position: int, cast: Cast, alice: Client, invoice: Invoice) -> None:
    assert alice.get(f"/t/acme/invoices/{invoice.number}/lines/{position}/events/").status_code == 404


def test_the_overview_shows_the_cost_and_the_projection_of_the_period(
    cast: Cast, alice: Client, invoice: Invoice
) -> None:
    use(cast.acme, at=NOW - timedelta(hours=1), count=1000)
    assert "Budgets Set a budget" in shown(alice.get("/t/acme/"))
    terms = BudgetTerms(BudgetScope.TENANT, Period.MONTH, Decimal(120), currency="EUR")
    create_budget(tenant=cast.acme, terms=terms, actor=Actor.system("test"), as_of=NOW)

    page = shown(alice.get("/t/acme/"))

    assert "Budgets Spend, this month: 1.00 EUR of 1.20 EUR (83.3 %) Warned All budgets" in page
    assert "1.00 EUR usage + 49.00 EUR next fee = 50.00 EUR so far" in page
    assert "About 50.00 EUR on 1 April 2026 (about as much as the last invoice ). The final amount may differ." in page
    assert "INV-2026-000002 , 50.23 EUR, due on 15 March 2026" in page
    assert "What it costs" not in shown(signed_in(cast.vera).get("/t/acme/"))
    assert f"Invoiced All invoices {invoice.number} 1\N{EN DASH}28 February 2026 50.23 EUR" in shown(
        alice.get("/t/acme/?month=2026-02")
    )


def test_the_next_invoice_is_shown_line_by_line(cast: Cast, alice: Client, invoice: Invoice) -> None:
    page = shown(alice.get("/t/acme/invoices/next/"))

    assert "Pro: calls 1\N{EN DASH}31 March 2026 0 calls 0.00 EUR" in page
    assert "Total 49.00 EUR" in page


def test_a_next_invoice_that_cannot_be_computed_is_explained(cast: Cast, alice: Client, invoice: Invoice) -> None:
    Subscription.objects.update(currency="CHF")

    assert "We need to check this invoice before we can show it." in shown(alice.get("/t/acme/invoices/next/"))
    assert alice.get("/t/acme/").status_code == alice.get("/t/acme/invoices/").status_code == 200


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_members_who_do_not_manage_money_see_no_invoices(role: Role, cast: Cast, invoice: Invoice) -> None:
    member = signed_in(cast.of_role(role))

    assert member.get(f"/t/acme/invoices/{invoice.number}/").status_code == 403
    assert b"/t/acme/invoices/" not in member.get("/t/acme/").content


def keep_pdf(number: str, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    file = StoredFile.objects.create(sha256=digest, media_type="application/pdf", content=content, created_at=NOW)
    DocumentFile.objects.create(number=number, file=file, created_at=NOW)
