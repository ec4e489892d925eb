"""A key is created with limits, rotated with grace, and revoked."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.installation import Installation
from tests.e2e.mailbox import Mailbox
from tests.e2e.sign_in import found_organisation
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

REVOCATION_SECONDS_MAX = 1


def test_a_key_is_rotated_with_grace_and_the_old_one_revoked_within_a_second(
    visit: Callable[[], Visitor], mailbox: Mailbox, installation: Installation
) -> None:
    owner = visit()
    page = owner.page
    slug = found_organisation(owner, mailbox, "olga@rotation.example", "Rotation")
    page.get_by_role("link", name="API keys").click()
    owner.look("keys-empty")
    page.get_by_role("link", name="New key").click()
    page.get_by_text("Limits: expiry, networks").click()
    owner.look("key-new")
    page.get_by_label("Name").fill("Gateway")
    page.get_by_label("Allowed networks").fill("nowhere")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("is not an address or a network")).to_be_visible()
    owner.look("key-new-refused")
    page.get_by_label("Allowed networks").fill("127.0.0.0/8")
    page.get_by_role("button", name="Create key").click()
    old = page.locator("#new-key").inner_text()
    owner.look("key-created")
    assert is_accepted(installation, old)

    page.goto(f"/t/{slug}/keys/")
    page.get_by_role("link", name="Rotate").click()
    owner.look("key-rotate")
    page.get_by_label("The old key stops working").select_option("In one hour")
    page.get_by_role("button", name="Rotate key").click()
    expect(page.get_by_text("works until")).to_be_visible()
    new = page.locator("#new-key").inner_text()
    assert is_accepted(installation, old), "the grace lasts an hour"
    assert is_accepted(installation, new)

    page.goto(f"/t/{slug}/keys/")
    owner.look("keys")
    page.get_by_role("row", name=f"…{old[-4:]}").get_by_role("link", name="Revoke").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    owner.look("key-revoke-dialog")
    page.get_by_role("dialog").get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("is revoked")).to_be_visible()
    assert seconds_until_refused(installation, old) <= REVOCATION_SECONDS_MAX
    assert is_accepted(installation, new)

    page.get_by_label("State").select_option("Revoked or expired")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Gateway").click()
    expect(page.get_by_text("Revoked", exact=True).first).to_be_visible()
    owner.look("key-revoked")
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("tbody tr").first).to_contain_text("revoked")
    owner.look("audit")


def is_accepted(installation: Installation, secret: str) -> bool:
    status, _ = installation.ask("GET", "/usage/realtime", key=secret)
    assert status in {200, 401}
    return status == 200


def seconds_until_refused(installation: Installation, secret: str) -> float:
    """Return the seconds until the key is refused, calling again and again as the finder of a leaked key would."""
    began = time.monotonic()
    while is_accepted(installation, secret):
        assert time.monotonic() - began < 10 * REVOCATION_SECONDS_MAX, "the key is never refused"
    return time.monotonic() - began
