"""What staff do for a customer, and for the installation."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.installation import Installation
from tests.e2e.mailbox import Mailbox
from tests.e2e.sign_in import found_organisation, make_key, sign_in
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

EVERY_TABLE = (
    "accounts/user", "accounts/apikey", "accounts/invitation", "accounts/auditentry", "accounts/jobrun",
    "metering/usageplan", "metering/meter", "metering/eventtype", "metering/ingestverdict",
    "billing/plan", "billing/planversion", "billing/subscription", "billing/invoice", "billing/payment",
    "billing/creditnote",
    "billing/billingexception", "notices/outboundmail", "notices/outboxevent", "billing/taxrate", "billing/issuer",
    "billing/numberseries", "collection/inboxevent", "collection/providercustomer", "collection/provideragreement",
    "collection/providerinvoice", "collection/usagepush",
    "django_q/failure", "django_q/success", "django_q/ormq",
    "djstripe/customer", "djstripe/event", "account/emailaddress", "mfa/authenticator", "usersessions/usersession",
    "socialaccount/socialaccount",
    "auth/group",
)  # fmt: skip


def test_a_tenant_is_found_suspended_and_reactivated(
    visit: Callable[[], Visitor], mailbox: Mailbox, installation: Installation
) -> None:
    customer = visit()
    slug = found_organisation(customer, mailbox, "cora@customer.example", "Customer of Note")
    secret = make_key(customer, slug, "Gateway")
    assert may_serve(installation, secret)

    staff = enter_admin(visit(), installation)
    page = staff.page
    expect(page.get_by_role("heading", name="Needs attention")).to_be_visible()
    staff.look("admin-dashboard")
    page.get_by_role("link", name="Tenants").first.click()
    staff.look("admin-tenants")
    page.locator("#searchbar").fill("cora@customer.example")
    page.keyboard.press("Enter")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.locator("#result_list a", has_text="Customer of Note").click()
    page.wait_for_url("**/change/**")
    staff.look("admin-tenant")

    choose_action(page, "More")
    choose_action(page, "Suspend")
    staff.look("admin-suspend")
    page.get_by_label("Reason").fill("The bill of October is open")
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_text("is suspended").first).to_be_visible()
    assert not may_serve(installation, secret)
    customer.page.goto(f"/t/{slug}/")
    expect(customer.page.get_by_text("The bill of October is open")).to_be_visible()
    customer.look("overview-suspended")

    choose_action(page, "More")
    choose_action(page, "Reactivate")
    page.get_by_role("button", name="Reactivate").click()
    expect(page.get_by_text("is active again").first).to_be_visible()
    assert may_serve(installation, secret)


def test_staff_view_as_a_customer_and_come_back(
    visit: Callable[[], Visitor], mailbox: Mailbox, installation: Installation
) -> None:
    customer = visit()
    slug = found_organisation(customer, mailbox, "vic@viewed.example", "Viewed")
    staff = enter_admin(visit(), installation)
    page = staff.page
    page.goto("/admin/accounts/tenant/?q=viewed")
    page.locator("#result_list a", has_text="Viewed").click()
    page.wait_for_url("**/change/**")
    choose_action(page, "View as customer")
    staff.look("admin-view-as-customer")
    page.get_by_label("Reason").fill("She cannot find her usage")
    page.get_by_role("button", name="View the portal").click()
    expect(page.get_by_text("You are viewing as vic@viewed.example")).to_be_visible()
    assert staff.slug == slug
    staff.look("view-as-customer")
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("tbody tr").first).to_contain_text("She cannot find her usage")
    page.get_by_role("button", name="Stop viewing as customer").click()
    page.wait_for_url("**/admin/accounts/tenant/**/change/")
    expect(page.get_by_text("You are viewing as")).to_have_count(0)
    assert staff.status_of("/admin/") == 200
    assert staff.status_of(f"/t/{slug}/") == 404


def test_a_schedule_is_run_now_and_its_outcome_is_shown(
    visit: Callable[[], Visitor], installation: Installation
) -> None:
    staff = enter_admin(visit(), installation)
    page = staff.page
    page.locator("a[href='/admin/django_q/schedule/']").first.click()
    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    staff.look("admin-schedules")
    row = page.locator("#result_list tbody tr", has_text=re.compile("partition", re.IGNORECASE))
    row.locator("input[type=checkbox]").first.check()
    page.locator("select[name=action]").select_option(label="Run now")
    page.locator("button[name=index], button:has-text('Run')").first.click()
    expect(page.get_by_text("Its run is shown here in a moment").first).to_be_visible()
    address = installation.demo["staff_email"]
    page.goto(f"/admin/accounts/jobrun/?q={address}")
    while not page.get_by_text("Succeeded").count():
        page.reload()
    staff.look("admin-job-runs")


def test_every_table_of_the_admin_opens(visit: Callable[[], Visitor], installation: Installation) -> None:
    staff = enter_admin(visit(), installation)
    for table in EVERY_TABLE:
        response = staff.page.goto(f"/admin/{table}/")
        assert response is not None
        assert response.status == 200, table
        staff.judge(f"admin {table}")


def enter_admin(visitor: Visitor, installation: Installation) -> Visitor:
    visitor.page.goto("/admin/")
    sign_in(visitor, installation.demo["staff_email"], installation.demo["staff_password"])
    visitor.page.wait_for_url("**/admin/")
    return visitor


def choose_action(page: Page, name: str) -> None:
    """Press a button of a tenant's page."""
    page.locator("a:visible", has_text=re.compile(rf"\b{name}\b")).first.click()


def may_serve(installation: Installation, secret: str) -> bool:
    """Return whether a gateway may serve a request. The response for a suspended tenant is 402."""
    status, _ = installation.ask("POST", "/authorize", key=secret, body={"type": "http_request"})
    assert status in {200, 402}
    return status == 200
