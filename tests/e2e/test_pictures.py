"""The demonstration as `make run` shows it, on its main tenant's pages. `readme.png` is the README's picture."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.e2e.installation import Installation
from tests.e2e.sign_in import sign_in
from tests.e2e.visitor import FINISHED, Visitor

pytestmark = pytest.mark.e2e

PAGES = ("usage/?period=30&group_by=resource_path", "events/", "audit/")


def test_pictures_of_the_demonstrations_pages(
    visit: Callable[[], Visitor], installation: Installation, pictures: Path
) -> None:
    customer = visit()
    page = customer.page
    page.goto("/accounts/login/")
    sign_in(customer, installation.demo["customer_email"], installation.demo["customer_password"])
    expect(page.get_by_role("heading", name="Usage against quota")).to_be_visible()
    slug = customer.slug
    page.set_viewport_size(ViewportSize(width=1280, height=960))
    page.reload()
    page.evaluate(FINISHED)
    page.screenshot(path=pictures / "readme.png")
    customer.look("demo-overview")
    for address in PAGES:
        page.goto(f"/t/{slug}/{address}")
        customer.look(f"demo-{address.split('/', maxsplit=1)[0]}")
