"""A colleague is invited by mail, joins as a viewer, and is promoted and removed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.mailbox import Mailbox
from tests.e2e.sign_in import found_organisation, make_key, sign_up
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

FOR_MANAGERS = ("keys/new/", "first-steps/", "team/invite/", "settings/", "audit/")


def test_an_invited_viewer_joins_by_the_link_and_can_manage_nothing(
    visit: Callable[[], Visitor], mailbox: Mailbox
) -> None:
    owner = visit()
    slug = found_organisation(owner, mailbox, "olive@team.example", "Team of Two")
    make_key(owner, slug, "Gateway")
    owner.page.get_by_role("link", name="Team").click()
    owner.page.get_by_role("link", name="Invite").click()
    owner.look("invite")
    owner.page.get_by_label("E-mail address").fill("vera@team.example")
    owner.page.get_by_label("Role").select_option("viewer")
    owner.page.get_by_role("button", name="Send invitation").click()
    expect(owner.page.get_by_text("We sent an invitation to vera@team.example")).to_be_visible()
    owner.look("team-invited")

    viewer = visit()
    link = mailbox.link_for("vera@team.example")
    viewer.page.goto(link)
    viewer.look("invitation")
    viewer.page.get_by_role("link", name="Create an account").click()
    sign_up(viewer, mailbox, "vera@team.example")
    viewer.page.get_by_role("button", name="Join").click()
    expect(viewer.page.get_by_text("Welcome to Team of Two")).to_be_visible()
    assert viewer.slug == slug
    viewer.look("overview-viewer")
    viewer.page.get_by_role("link", name="API keys").click()
    expect(viewer.page.get_by_role("row", name="Gateway")).to_be_visible()
    for name in ("New key", "Rotate", "Revoke", "Settings", "First steps"):
        expect(viewer.page.get_by_role("link", name=name)).to_have_count(0)
    assert [viewer.status_of(f"/t/{slug}/{path}") for path in FOR_MANAGERS] == [403] * len(FOR_MANAGERS)
    viewer.page.get_by_role("link", name="Team").click()
    expect(viewer.page.get_by_role("link", name="Invite")).to_have_count(0)

    assert visit().status_of(link) == 404, "the link works once"
    owner.page.reload()
    expect(owner.page.get_by_text("No open invitations")).to_be_visible()
    remove_member(owner, "vera@team.example")
    assert viewer.status_of(f"/t/{slug}/") == 404


def remove_member(owner: Visitor, address: str) -> None:
    page = owner.page
    page.get_by_role("row", name=address).get_by_role("link", name="Change role").click()
    owner.look("member")
    page.get_by_label("Role").select_option("developer")
    page.get_by_role("button", name="Change role").click()
    expect(page.get_by_role("row", name=address)).to_contain_text("Developer")
    page.get_by_role("row", name=address).get_by_role("link", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("row", name=address)).to_have_count(0)
