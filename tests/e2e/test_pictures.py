"""The demonstration as `make run` shows it, on every page of its first tenant; one picture goes into the README."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.installation import CHECKOUT, Installation
from tests.e2e.sign_in import sign_in
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

PAGES = ("usage/?period=30&group_by=resource_path", "events/", "keys/", "team/", "settings/", "audit/")


def test_the_demonstration_s_pages(visit: Callable[[], Visitor], installation: Installation) -> None:
    customer = visit()
    page = customer.page
    page.goto("/accounts/login/")
    sign_in(customer, installation.demo["customer_email"], installation.demo["customer_password"])
    expect(page.get_by_role("heading", name="Usage against quota")).to_be_visible()
    customer.look("demo-overview")
    slug = customer.slug
    for address in PAGES:
        page.goto(f"/t/{slug}/{address}")
        customer.look(f"demo-{address.split('/', maxsplit=1)[0]}")
