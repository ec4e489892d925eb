"""The statement of account as a tenant sees it: the ledger's figures, as a page and a file, for members who pay."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.test import Client

from accounts.domain.roles import Role
from billing.desk.services.writing_off import write_off_invoice
from billing.models import Invoice, Payment
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.staff_actions import mark_uncollectible, void_invoice
from billing.services.subscriptions.subscribing import subscribe
from tests.billing.rendering.services.reading import texts
from tests.billing.world import STAFF, close_month, first_invoice, make_plan
from tests.portal.conftest import Cast, signed_in
from tests.portal.views.test_pricing import shown

URL = "/t/acme/invoices/statement/"
NOVEMBER = datetime(2025, 10, 31, 23, tzinfo=UTC)


@pytest.fixture
def invoices(cast: Cast) -> list[Invoice]:
    """Issue four months at 49.00: the first is paid, the second void, the third given up, and the fourth owed."""
    subscription = subscribe(tenant=cast.acme, plan_version=make_plan(), actor=STAFF, as_of=NOVEMBER)
    found = [first_invoice(subscription), *(close_month(subscription) for _ in range(3))]
    paid, void, lost, _ = found
    at = NOVEMBER + timedelta(days=3)
    record_payment(
        invoice_id=paid.pk, provider="stripe", reference="=pi_1", amount_minor=4900, currency="EUR", occurred_at=at,
        as_of=at,
    )  # fmt: skip
    for service, invoice in ((void_invoice, void), (mark_uncollectible, lost)):
        service(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=invoice.finalized_at)
    return found


def test_a_statement_shows_charges_and_payments_with_the_balance_after_each(
    alice: Client, invoices: list[Invoice]
) -> None:
    page = shown(alice.get(URL))
    assert "2026 in EUR" in page
    assert "Brought forward" in page
    number = invoices[3].number
    assert f"Invoice {number} 49.00 EUR" in page
    assert "At the end 98.00 EUR" in page, "what was given up is still owed"
    before = shown(alice.get(URL, {"year": "2025"}))
    assert "Payment =pi_1 -49.00 EUR 0.00 EUR" in before.replace("\N{MINUS SIGN}", "-")
    assert "Invoice declared void" in before


def test_a_written_off_invoice_leaves_the_account(alice: Client, invoices: list[Invoice]) -> None:
    write_off_invoice(invoice_id=invoices[2].pk, reason="gone", actor=STAFF, as_of=NOVEMBER + timedelta(days=90))
    page = shown(alice.get(URL)).replace("\N{MINUS SIGN}", "-")
    assert f"Written off {invoices[2].number} -49.00 EUR 0.00 EUR" in page
    invoice = shown(alice.get(f"/t/acme/invoices/{invoices[2].number}/"))
    assert "Written off 49.00 EUR It may still be paid" in invoice


def test_the_file_of_a_statement_has_the_same_figures_and_no_formula(alice: Client, invoices: list[Invoice]) -> None:
    response = alice.get(URL, {"year": "2025", "format": "csv"})
    assert response["Content-Disposition"] == 'attachment; filename="acme-statement-2025.csv"'
    rows = list(csv.DictReader(StringIO(response.content.decode())))
    assert [(row["what"], row["amount"], row["balance"]) for row in rows[:3]] == [
        ("Brought forward", "0", "0"),
        ("Invoice", "49", "49"),
        ("Payment", "-49", "0"),
    ]
    assert rows[2]["document"] == "'=pi_1"


def test_an_impossible_year_of_a_statement_is_the_running_one(alice: Client, invoices: list[Invoice]) -> None:
    for year in ("", "x", "9999", "0000", "20 26", "2026-1", "\N{ARABIC-INDIC DIGIT TWO}026"):
        assert "2026 in EUR" in shown(alice.get(URL, {"year": year})), year


def test_an_empty_statement_says_so(cast: Cast, alice: Client) -> None:
    assert "No charges yet" in shown(alice.get(URL))


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_a_member_who_does_not_manage_money_sees_no_statement(role: Role, cast: Cast) -> None:
    assert signed_in(cast.of_role(role)).get(URL).status_code == 403


def test_days_are_chosen_and_read_as_a_pdf_that_says_the_same(alice: Client, invoices: list[Invoice]) -> None:
    span = {"start": "2025-11-01", "end": "2025-11-04"}
    assert "1 Nov 2025 to 4 Nov 2025 in EUR" in shown(alice.get(URL, span))
    assert "At the end 0.00 EUR" in shown(alice.get(URL, span))
    answer = alice.get(URL, span | {"format": "pdf"})
    assert answer["Content-Disposition"] == 'attachment; filename="acme-statement-2025-11-01-2025-11-04.pdf"'
    said = " ".join(" ".join(texts(answer.content)).split())
    assert "Balance on 4 November 2025 0.00 EUR" in said
    assert "=pi_1" in said
    wrong = shown(alice.get(URL, {"start": "2025-11-04", "end": "2025-11-01"}))
    assert "The last day is before the first." in wrong
    assert "2026 in EUR" in wrong


def test_payments_are_listed_with_a_receipt_for_each(cast: Cast, alice: Client, invoices: list[Invoice]) -> None:
    payment = Payment.objects.get()
    page = shown(alice.get("/t/acme/invoices/payments/"))
    assert "=pi_1 49.00 EUR 49.00 EUR 0.00 EUR" in page
    address = f"/t/acme/invoices/payments/{payment.pk}/receipt/"
    assert address in alice.get(f"/t/acme/invoices/{invoices[0].number}/").content.decode()
    said = " ".join(" ".join(texts(alice.get(address).content)).split())
    assert f"Pays invoice {invoices[0].number} 49.00 EUR" in said
    Payment.objects.create(
        tenant=cast.acme, provider="stripe", reference="pi_2", status="failed", amount_minor=1, currency="EUR",
        occurred_at=NOVEMBER, created_at=NOVEMBER,
    )  # fmt: skip
    assert alice.get(f"/t/acme/invoices/payments/{payment.pk + 1}/receipt/").status_code == 404, "nothing came in"
    assert alice.get(f"/t/acme/invoices/payments/{2**70}/receipt/").status_code == 404
    assert signed_in(cast.charlie).get(address.replace("acme", "rival")).status_code == 404
