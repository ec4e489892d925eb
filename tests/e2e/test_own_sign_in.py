"""How people protect their own sign-in: an authenticator app, a passkey, and the list of sessions."""

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.mailbox import Mailbox
from tests.e2e.sign_in import found_organisation, prove_again, sign_in
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

STEP_SECONDS = 30
# A code that is about to end could end on its way to the server.
CODE_LASTS = f"() => Date.now() / 1000 % {STEP_SECONDS} < {STEP_SECONDS} - 5"


def test_an_authenticator_app_is_set_up_and_then_required(visit: Callable[[], Visitor], mailbox: Mailbox) -> None:
    member = visit()
    page = member.page
    slug = found_organisation(member, mailbox, "tom@totp.example", "Second Factor")
    page.get_by_role("link", name="Security").click()
    member.look("security")
    page.get_by_role("link", name="Set up").click()
    member.look("prove-again")
    prove_again(member)
    expect(page.get_by_label("Authenticator secret")).to_be_visible()
    member.look("totp-activate")
    secret = page.get_by_label("Authenticator secret").input_value()
    page.get_by_label("Authenticator code").fill(current_code(page, secret))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("Recovery codes", exact=False).first).to_be_visible()
    member.look("totp-recovery-codes")
    page.goto(f"/t/{slug}/security/")
    expect(page.get_by_text("On", exact=True)).to_be_visible()

    sign_out(page, slug)
    page.goto("/accounts/login/")
    member.look("sign-in")
    sign_in(member, "tom@totp.example")
    member.look("totp-asked")
    page.get_by_label("Code").fill(current_code(page, secret))
    page.get_by_role("button", name="Sign in", exact=False).first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert member.slug == slug


def test_a_passkey_alone_signs_in(visit: Callable[[], Visitor], mailbox: Mailbox) -> None:
    member = visit()
    page = member.page
    slug = found_organisation(member, mailbox, "pia@passkey.example", "Passkeys")
    plug_in_authenticator(page)
    page.goto(f"/t/{slug}/security/")
    page.get_by_role("link", name="Add one").click()
    prove_again(member)
    page.get_by_label("Name").fill("Ring")
    page.get_by_label("Passwordless").check()
    member.look("passkey-add")
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_url(lambda url: "add" not in url)
    page.goto(f"/t/{slug}/security/")
    page.get_by_role("link", name="Manage").first.click()
    expect(page.get_by_role("row", name="Ring")).to_be_visible()
    member.look("passkeys")

    sign_out(page, slug)
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"**/t/{slug}/")


def test_other_sessions_are_listed_and_ended(visit: Callable[[], Visitor], mailbox: Mailbox) -> None:
    here, elsewhere = visit(), visit()
    slug = found_organisation(here, mailbox, "sam@sessions.example", "Sessions")
    elsewhere.page.goto(f"/t/{slug}/usage/")
    sign_in(elsewhere, "sam@sessions.example")
    elsewhere.page.wait_for_url(f"**/t/{slug}/usage/")
    page = here.page
    page.goto(f"/t/{slug}/security/")
    page.get_by_role("link", name="Review").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    here.look("sessions")
    page.get_by_role("button", name="Sign out all other sessions").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert elsewhere.status_of(f"/t/{slug}/") == 302
    assert here.status_of(f"/t/{slug}/") == 200


def sign_out(page: Page, slug: str) -> None:
    page.goto(f"/t/{slug}/")
    page.get_by_role("button", name="Sign out").first.click()
    page.wait_for_url(lambda url: "/t/" not in url)


def current_code(page: Page, secret: str) -> str:
    """Return the code of the app on the phone (RFC 6238), once it will last for a moment."""
    page.wait_for_function(CODE_LASTS)
    step = page.evaluate(f"Math.floor(Date.now() / 1000 / {STEP_SECONDS})")
    digest = hmac.digest(base64.b32decode(secret + "=" * (-len(secret) % 8)), struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 15
    return f"{(struct.unpack_from('>I', digest, offset)[0] & 0x7FFFFFFF) % 10**6:06d}"


def plug_in_authenticator(page: Page) -> None:
    """Add a security key to the browser that verifies its user and is touched by itself."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
