"""A tenant's settings, and how each visitor wants to see the pages."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.mailbox import Mailbox
from tests.e2e.sign_in import found_organisation
from tests.e2e.visitor import PHONE, Visitor

pytestmark = pytest.mark.e2e

PAPER = "getComputedStyle(document.documentElement).backgroundColor"


def test_the_time_zone_is_changed_and_applies_to_every_page(visit: Callable[[], Visitor], mailbox: Mailbox) -> None:
    owner = visit()
    page = owner.page
    slug = found_organisation(owner, mailbox, "zoe@zones.example", "Zones")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Zurich")
    owner.look("settings")
    page.get_by_label("Time zone").select_option("Pacific/Auckland")
    page.get_by_label("Currency").select_option("NZD")
    page.get_by_label("Country").select_option("New Zealand")
    page.get_by_label("Tax id").fill("NZBN9429000000000")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Settings saved.")).to_be_visible()
    expect(page.get_by_label("Tax id")).to_have_value("NZBN9429000000000")
    page.goto(f"/t/{slug}/usage/")
    expect(page.get_by_text("Days are those of Pacific/Auckland")).to_be_visible()
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("tbody tr").first).to_contain_text("Europe/Zurich → Pacific/Auckland")


def test_dark_colours_are_chosen_and_kept(visit: Callable[[], Visitor], mailbox: Mailbox) -> None:
    owner = visit()
    page = owner.page
    slug = found_organisation(owner, mailbox, "nora@night.example", "Night")
    light = page.evaluate(PAPER)
    page.get_by_role("button", name="Switch between light and dark").first.click()
    page.wait_for_function(f"(light) => {PAPER} !== light", arg=light)
    page.goto(f"/t/{slug}/usage/")
    assert page.evaluate(PAPER) != light


def test_the_menu_opens_on_a_phone(visit: Callable[[], Visitor], mailbox: Mailbox) -> None:
    owner = visit()
    page = owner.page
    found_organisation(owner, mailbox, "petra@phone.example", "Phone")
    page.set_viewport_size(PHONE)
    page.locator("summary", has_text="Menu").click()
    page.screenshot(path=owner.pictures / "menu-phone.png")
    page.get_by_role("banner").get_by_role("link", name="Usage").click()
    expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()
