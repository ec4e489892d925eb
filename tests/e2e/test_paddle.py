"""A customer to whom Paddle sells: chosen by staff, through Paddle's checkout, to a paid usage statement."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.installation import Installation
from tests.e2e.mailbox import Mailbox
from tests.e2e.sign_in import found_organisation
from tests.e2e.test_money import DECLINED_CARD, GOOD_CARD, await_text, fill_in_address, pay
from tests.e2e.test_staff import choose_action, enter_admin
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e


def test_a_customer_buys_from_paddle_after_a_declined_card_and_gets_a_usage_statement(
    visit: Callable[[], Visitor], mailbox: Mailbox, installation: Installation
) -> None:
    customer = visit()
    page = customer.page
    slug = found_organisation(customer, mailbox, "petra@paddlers.example", "Paddlers")
    fill_in_address(page, slug)
    staff = enter_admin(visit(), installation)
    staff.page.goto(f"/admin/accounts/tenant/?q={slug}")
    staff.page.locator("#result_list a", has_text="Paddlers").click()
    staff.page.wait_for_url("**/change/**")
    choose_action(staff.page, "More")
    choose_action(staff.page, "Payment provider")
    staff.look("admin-payment-provider")
    staff.page.locator("select[name=provider]").select_option("paddle")
    staff.page.get_by_role("button", name="Save").click()
    expect(staff.page.get_by_text("pays through Paddle")).to_be_visible()

    page.goto(f"/t/{slug}/plan/")
    page.get_by_role("link", name="Choose Scale").click()
    expect(page.get_by_text("Added by Paddle")).to_be_visible()
    customer.look("plan-order-paddle")
    page.get_by_role("button", name="Continue to payment").click()
    page.wait_for_url(f"{installation.paddle_url}/**")
    customer.look("paddle-checkout")
    pay(page, DECLINED_CARD)
    expect(page.get_by_role("alert")).to_contain_text("declined")
    pay(page, GOOD_CARD)
    page.wait_for_url(f"**/t/{slug}/plan/**")
    await_text(page, f"/t/{slug}/plan/", "4242")
    await_text(page, f"/t/{slug}/invoices/", "Paid", installation=installation)
    page.locator("tbody a[href*='/invoices/STMT']").first.click()
    expect(page.get_by_role("heading", name="Usage statement STMT-")).to_be_visible()
    expect(page.get_by_text("This is no invoice.")).to_be_visible()
    customer.look("statement-paddle")
