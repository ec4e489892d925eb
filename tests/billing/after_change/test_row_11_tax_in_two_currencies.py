"""Row 11: an invoice in another currency than the seller's states its tax in both, with rate, day and source."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounts.domain.roles import Role
from accounts.domain.scopes import Scope
from accounts.models import Membership, User
from billing.models import BillingException, ExchangeRate, Invoice, Subscription, TaxRate
from billing.rendering.services.documents import render_document
from billing.services.invoicing.exceptions import resolve_exception
from billing.services.invoicing.running import run_invoicing
from tests.accounts.conftest import Api, body_of
from tests.billing.rendering.services.reading import texts
from tests.billing.world import MARCH, STAFF, first_invoice, latest_invoice, make_plan, subscribe_tenant
from tests.metering.ledger_world import make_key

pytestmark = pytest.mark.django_db
WORDS = "1 EUR = 1.0823 USD (European Central Bank, 2026-02-27)"


@pytest.fixture(autouse=True)
def belgian_rate(db: None) -> None:
    TaxRate.objects.create(country="BE", percent=Decimal(21))


def bought_in_dollars(**fields: object) -> Subscription:
    plan = make_plan(fee={"USD": "49"})
    return subscribe_tenant(plan=plan, currency="USD", **({"country": "BE"} | fields))


def add_rate() -> None:
    ExchangeRate.objects.create(currency="USD", day=date(2026, 2, 27), rate=Decimal("1.0823"))


def test_without_a_rate_the_invoice_becomes_an_exception_with_a_message() -> None:
    subscription = bought_in_dollars()
    run_invoicing(as_of=MARCH)
    [parked] = BillingException.objects.all()
    assert parked.code == "exchange_rate_missing"
    assert parked.detail == (
        "The tax is owed in EUR, and no rate between USD and EUR of the day of issue or the 7 days before is known:"
        " import the bank's file, or enter one."
    )
    assert Invoice.objects.get().number is None

    add_rate()
    resolve_exception(exception=parked, resolution="Imported.", actor=STAFF, as_of=MARCH)
    run_invoicing(as_of=MARCH + timedelta(hours=1))
    assert latest_invoice(subscription).number == "INV-2026-000001"


def test_the_document_says_the_tax_in_both_currencies() -> None:
    add_rate()
    invoice = first_invoice(bought_in_dollars())
    content = invoice.document.content
    assert (content["currency"], content["tax_minor"]) == ("USD", 1029)
    assert content["issuer_currency"] == {
        "currency": "EUR", "tax_minor": 951, "taxes_minor": [951], "day": "2026-02-27",
        "rates": [{"per": "EUR", "currency": "USD", "rate": "1.0823"}], "source": "European Central Bank",
        "words": WORDS,
    }  # fmt: skip
    assert f"Tax in EUR: 9.51 EUR, at {WORDS}" in " ".join(" ".join(texts(render_document(content))).split())


def test_api_and_pages_say_it_too() -> None:
    add_rate()
    subscription = bought_in_dollars()
    number = first_invoice(subscription).number
    _, secret = make_key(subscription.tenant, scopes=[Scope.BILLING_READ])
    shown = body_of(Api(secret).get(f"/invoices/{number}"))
    assert [row["issuer_currency_amount_minor"] for row in shown["taxes"]] == [951]
    assert (shown["issuer_currency"]["currency"], shown["issuer_currency"]["tax_minor"]) == ("EUR", 951)

    owner = User.objects.create_user("alice@acme.example", None)
    Membership.objects.create(user=owner, tenant=subscription.tenant, role=Role.OWNER, created_at=MARCH)
    robin = User.objects.create_user("robin@example.org", None, is_staff=True, is_superuser=True)
    invoice = Invoice.objects.get(number=number)
    for user, page in (
        (owner, f"/t/acme/invoices/{number}/"),
        (robin, f"/admin/billing/invoice/{invoice.pk}/change/"),
    ):
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        assert WORDS in client.get(page).content.decode()


def test_an_invoice_without_tax_or_in_the_sellers_currency_needs_no_rate() -> None:
    assert "issuer_currency" not in first_invoice(bought_in_dollars(country="US")).document.content
    at_home = subscribe_tenant("home", plan=make_plan("euro"), country="BE")
    assert "issuer_currency" not in first_invoice(at_home).document.content
