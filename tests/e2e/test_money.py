"""From usage to a paid invoice, as a customer gets there, and what staff do about invoices."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.installation import Installation
from tests.e2e.mailbox import Mailbox
from tests.e2e.sign_in import found_organisation, make_key
from tests.e2e.test_staff import choose_action, enter_admin
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

GOOD_CARD, DECLINED_CARD = "4242424242424242", "4000000000000002"
EVENTS_PER_BATCH = 4000
MAIL_JOB, ALERT_JOB, COLLECTION_JOB, INBOX_JOB = "mails", "alerts", "collection", "inbox"


def test_a_customer_comes_from_sign_up_over_a_declined_card_to_a_paid_invoice(
    visit: Callable[[], Visitor], mailbox: Mailbox, installation: Installation
) -> None:
    customer = visit()
    page = customer.page
    slug = found_organisation(customer, mailbox, "lena@ledgerly.example", "Ledgerly")
    secret = make_key(customer, slug, "Production")
    fill_in_address(page, slug)
    page.goto("/pricing/")
    customer.look("pricing")
    page.goto(f"/t/{slug}/plan/")
    customer.look("plan-none")
    page.get_by_role("link", name="Choose Scale").click()
    expect(page.get_by_role("heading", name="Scale").first).to_be_visible()
    customer.look("plan-order")
    page.get_by_role("button", name="Continue to payment").click()
    page.wait_for_url(f"{installation.stripe_url}/**")
    customer.look("stripe-checkout")
    pay(page, DECLINED_CARD)
    expect(page.get_by_role("alert")).to_contain_text("declined")
    customer.look("stripe-checkout-declined")
    pay(page, GOOD_CARD)
    page.wait_for_url(f"**/t/{slug}/plan/**")
    await_text(page, f"/t/{slug}/plan/", "4242")
    customer.look("plan-scale")

    await_text(page, f"/t/{slug}/invoices/", "Paid", installation=installation)
    customer.look("invoices-first")

    # The month's quota of requests is a soft one of 4,000. This uses it up at once.
    use(installation, secret, EVENTS_PER_BATCH)
    installation.manage("run_job", ALERT_JOB)
    installation.manage("run_job", MAIL_JOB)
    told = mailbox.text_for("lena@ledgerly.example", containing="4,000")
    assert "100" in told
    page.goto(f"/t/{slug}/alerts/")
    expect(page.get_by_text(re.compile("100 ?%")).first).to_be_visible()
    customer.look("alerts-reached")
    page.goto(f"/t/{slug}/")
    customer.look("overview-with-cost")

    close_period(installation, slug)
    installation.manage("run_job", COLLECTION_JOB)
    await_text(page, f"/t/{slug}/invoices/", "API requests", installation=installation, link=2)
    expect(page.get_by_text("Paid").first).to_be_visible()
    customer.look("invoice-paid")
    number = page.url.rstrip("/").rsplit("/", 1)[-1]
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("PDF")).first.click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
    installation.manage("run_job", MAIL_JOB)  # the schedule would send it within two minutes
    assert "Ledgerly" in mailbox.text_for("lena@ledgerly.example", containing=number)


def test_staff_preview_run_void_credit_and_reprocess(
    visit: Callable[[], Visitor], mailbox: Mailbox, installation: Installation
) -> None:
    customer = visit()
    slug = found_organisation(customer, mailbox, "otto@offline.example", "Offline Works")
    fill_in_address(customer.page, slug)
    # The schedule would be as quick as we are.
    installation.manage("shell", "-v0", "-c", STOP_THE_SCHEDULE)
    staff = enter_admin(visit(), installation)
    page = staff.page
    subscribe_by_staff(staff, slug)

    page.goto("/admin/billing/invoice/run/")
    page.get_by_label("Tenant").fill(slug)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("What a run would do now: 1 invoice,")).to_be_visible()
    staff.look("admin-invoicing-preview")
    page.get_by_role("button", name="Run it").click()
    expect(page.locator("#runs tbody tr").first).to_contain_text("Succeeded", timeout=30_000)
    staff.look("admin-invoicing-run")

    open_invoice(page, slug)
    staff.look("admin-invoice")
    choose_action(page, "More")
    choose_action(page, "Void")
    page.get_by_label("Reason").fill("Ordered by mistake")
    page.get_by_role("button", name="Void the invoice").click()
    expect(page.get_by_text("No payment is due").first).to_be_visible()

    open_invoice(page, "northwind-maps", status="paid")
    choose_action(page, "More")
    choose_action(page, "Issue a credit note")
    page.get_by_label("Reason").fill("An outage of two days")
    staff.look("admin-credit")
    page.get_by_role("button", name="Issue the credit note").click()
    expect(page.get_by_text("credits").first).to_be_visible()
    staff.look("admin-invoice-credited")

    reprocess_an_event(staff)
    customer.page.goto(f"/t/{slug}/invoices/")
    expect(customer.page.get_by_role("cell", name="Void", exact=True).first).to_be_visible()
    customer.look("invoices-void")


def fill_in_address(page: Page, slug: str) -> None:
    """Enter the customer's address, without which no invoice gets a number."""
    page.goto(f"/t/{slug}/settings/")
    page.get_by_label("Street and number").fill("1 Main Street")
    page.get_by_label("City").fill("Springfield")
    page.get_by_label("Country").select_option("US")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Settings saved.")).to_be_visible()


STOP_THE_SCHEDULE = (
    "from django_q.models import Schedule; from datetime import timedelta; from django.db.models import F; "
    "Schedule.objects.filter(name='invoicing').update(next_run=F('next_run') + timedelta(days=1))"
)


def subscribe_by_staff(staff: Visitor, slug: str) -> None:
    """Subscribe the tenant from its page, after a look at the first invoice."""
    page = staff.page
    page.goto(f"/admin/accounts/tenant/?q={slug}")
    page.locator("#result_list a", has_text="Offline Works").click()
    page.wait_for_url("**/change/**")
    choose_action(page, "Subscribe")
    page.get_by_label("Plan", exact=True).select_option(label=scale_label(page))
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("monthly fee").first).to_be_visible()
    staff.look("admin-subscribe")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_text("is on Scale").first).to_be_visible()
    staff.look("admin-tenant-with-subscription")


def reprocess_an_event(staff: Visitor) -> None:
    """Process the newest of Stripe's events again, whose effect is already there."""
    page = staff.page
    page.goto("/admin/collection/inboxevent/")
    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    staff.look("admin-inbox")
    page.locator("#result_list tbody th a, #result_list tbody td a").first.click()
    page.wait_for_url("**/change/**")
    staff.look("admin-inbox-event")
    choose_action(page, "Reprocess")
    page.get_by_role("button", name="Reprocess").click()
    expect(page.get_by_text(re.compile(r": (processed|ignored)\. ")).first).to_be_visible()


def pay(page: Page, number: str) -> None:
    """Fill in the card's fields, and confirm."""
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiry").fill("12 / 40")
    page.get_by_label("CVC").fill("123")
    page.get_by_label("Name on card").fill("Lena Ledger")
    page.locator("button[type=submit]").first.click()


def await_text(
    page: Page, path: str, text: str, *, installation: Installation | None = None, link: int | None = None
) -> None:
    """Reload until the page shows the text, since webhooks and workers take their time.

    `link` opens that many-th invoice's page first.
    """
    deadline = datetime.now(tz=UTC) + timedelta(seconds=90)
    while datetime.now(tz=UTC) < deadline:
        if installation is not None:
            installation.manage("run_job", INBOX_JOB)
        page.goto(path)
        if link is not None:
            rows = page.locator("tbody a[href*='/invoices/INV']")
            if rows.count() < link:
                continue
            rows.first.click()
        if page.get_by_text(text).count():
            return
    raise AssertionError(f"{path} never said {text!r}")


def use(installation: Installation, secret: str, number: int) -> None:
    events = [{"id": f"use-{n}", "type": "http_request", "properties": {"response_length": 10}} for n in range(number)]
    status, answer = installation.ask("POST", "/events", key=secret, body={"events": events})
    assert (status, answer["accepted"]) == (200, number)


def close_period(installation: Installation, slug: str) -> None:
    """End the running period, on a clock that is moved."""
    after = (datetime.now(tz=UTC) + timedelta(days=32)).strftime("%Y-%m-%dT%H:%MZ")
    installation.manage("run_invoicing", "--tenant", slug, "--as-of", after)
    installation.manage("run_job", "documents")


def scale_label(page: Page) -> str:
    options = page.get_by_label("Plan", exact=True).locator("option").all_inner_texts()
    return next(option for option in options if option.startswith("Scale"))


def open_invoice(page: Page, slug: str, *, status: str = "") -> None:
    page.goto(f"/admin/billing/invoice/?q={slug}" + (f"&status__exact={status}" if status else ""))
    page.locator("#result_list tbody a", has_text="INV-").first.click()
    page.wait_for_url("**/change/**")
