"""Signing up and signing in, as a visitor does."""

from playwright.sync_api import expect

from tests.e2e.mailbox import Mailbox
from tests.e2e.visitor import Visitor

PASSWORD = "seven sober herons"


def sign_up(visitor: Visitor, mailbox: Mailbox, address: str) -> None:
    """Sign up, from the open sign-up form to a verified address."""
    page = visitor.page
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Enter the code we sent you")).to_be_visible()
    page.get_by_label("Code").fill(mailbox.code_for(address))
    page.get_by_role("button", name="Confirm").click()


def name_organisation(visitor: Visitor, name: str) -> None:
    """Name the organisation after the first sign-up, up to the first steps."""
    page = visitor.page
    page.get_by_label("Name of your organisation").fill(name)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="First steps")).to_be_visible()


def found_organisation(visitor: Visitor, mailbox: Mailbox, address: str, name: str) -> str:
    """Sign up and name the organisation. Return the tenant's slug."""
    visitor.page.goto("/accounts/signup/")
    sign_up(visitor, mailbox, address)
    name_organisation(visitor, name)
    return visitor.slug


def sign_in(visitor: Visitor, address: str, password: str = PASSWORD) -> None:
    """Enter address and password, whatever page the form is on."""
    page = visitor.page
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def make_key(visitor: Visitor, slug: str, name: str) -> str:
    """Create a live key of the tenant. Return the secret that the page shows once."""
    page = visitor.page
    page.goto(f"/t/{slug}/keys/new/")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create key").click()
    return page.locator("#new-key").inner_text()


def prove_again(visitor: Visitor) -> None:
    """Enter the password again, as people must who change how they sign in."""
    visitor.page.get_by_label("Password", exact=True).fill(PASSWORD)
    visitor.page.get_by_role("button", name="Confirm").click()
