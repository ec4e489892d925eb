"""The fake Stripe's own pages in a browser: all that people of a trial see of Stripe, so axe checks them too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe
from playwright.sync_api import Browser, Page, expect

from config.workbench.fakestripe.server import FakeStripe
from tests.e2e.accessibility import violations

pytestmark = pytest.mark.e2e


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def payer(fake_stripe: FakeStripe) -> stripe.Customer:
    return stripe.Customer.create(email="ada@acme.example", name="Acme", payment_method="pm_card_visa")


def look(page: Page, pictures: Path, name: str) -> None:
    page.screenshot(path=pictures / f"fake-stripe-{name}.png", full_page=True)
    assert not violations(page, exceptions={})


def type_card(page: Page, number: str) -> None:
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiry").fill("12 / 40")
    page.get_by_label("CVC").fill("123")
    page.get_by_label("Name on card").fill("Ada Lovelace")
    page.get_by_label("Name on card").press("Enter")


def test_an_invoice_is_paid_on_its_page_after_a_card_was_declined(
    payer: stripe.Customer, page: Page, pictures: Path
) -> None:
    made = stripe.Invoice.create(customer=payer.id, currency="eur", collection_method="send_invoice", days_until_due=14)
    stripe.InvoiceItem.create(customer=payer.id, invoice=made.id, amount=5831, currency="eur", description="May")
    invoice = stripe.Invoice.finalize_invoice(made.id)
    page.goto(str(invoice.hosted_invoice_url))
    look(page, pictures, "invoice")
    type_card(page, "4000 0000 0000 0002")
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    type_card(page, "4242 4242 4242 4242")
    expect(page.get_by_role("status")).to_have_text("This invoice is paid.")
    look(page, pictures, "invoice-paid")
    assert stripe.Invoice.retrieve(invoice.id).status == "paid"


def test_cards_and_the_end_of_a_subscription_are_clicked_in_the_portal(
    payer: stripe.Customer, page: Page, pictures: Path
) -> None:
    price = stripe.Price.create(
        currency="eur", unit_amount=0, recurring={"interval": "month"}, product_data={"name": "Billing agreement"}
    )
    stripe.Subscription.create(customer=payer.id, items=[{"price": price.id}])
    page.goto(stripe.billing_portal.Session.create(customer=payer.id, return_url="https://shop.example/").url)
    look(page, pictures, "portal")
    type_card(page, "5555 5555 5555 4444")
    expect(page.get_by_text("Mastercard •••• 4444 default")).to_be_visible()
    page.get_by_role("button", name="Make default").click()
    expect(page.get_by_text("Visa •••• 4242 default")).to_be_visible()
    page.get_by_role("button", name="Cancel subscription").click()
    expect(page.get_by_text("Ends on")).to_be_visible()
    look(page, pictures, "portal-ending")
    page.get_by_role("button", name="Renew subscription").click()
    expect(page.get_by_text("Renews on")).to_be_visible()
