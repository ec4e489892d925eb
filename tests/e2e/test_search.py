"""The search by keyboard alone, and without a script."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.accessibility import violations
from tests.e2e.mailbox import Mailbox
from tests.e2e.sign_in import found_organisation
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e


def test_a_page_is_found_by_keyboard_alone(visit: Callable[[], Visitor], mailbox: Mailbox) -> None:
    owner = visit()
    page = owner.page
    slug = found_organisation(owner, mailbox, "sofia@search.example", "Search")

    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Search")).to_be_visible()
    page.keyboard.type("audit")
    expect(page.locator("#search-found a").first).to_contain_text("Audit log")
    assert violations(page, exceptions={}) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Search")).to_be_hidden()

    page.keyboard.press("Control+k")
    page.keyboard.type("invite")
    expect(page.locator("#search-found a").first).to_contain_text("Invite a member")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/t/{slug}/team/invite/")

    page.goto("/search/?q=budgets")
    page.get_by_role("link", name="Budgets", exact=True).last.click()
    page.wait_for_url(f"**/t/{slug}/budgets/")
