"""Every link of the demonstration, followed as each role of a customer and as each group of staff.

Asked by the browser's own session without drawing the pages; the tours draw them, press the buttons and look.
"""

from collections.abc import Callable

import pytest

from accounts.domain.roles import Role
from config.workbench.demo.cast import MAIN_TENANT, STAFF, TENANTS, email_of
from config.workbench.demo.people import STAFF_DOMAIN
from tests.e2e.crawler import Crawl
from tests.e2e.installation import Installation
from tests.e2e.sign_in import sign_in
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

MAIN = next(tenant for tenant in TENANTS if tenant.slug == MAIN_TENANT)
ROLES = {role: email_of(person, MAIN) for person, role in reversed(MAIN.people)}
SCOPE_OF_CUSTOMERS = ("/t/", "/accounts/", "/docs/", "/pricing/")
FOLLOWED_AT_LEAST = 30  # of the viewer, who sees the least


def crawl(visitor: Visitor, *starts: str, scope: tuple[str, ...]) -> Crawl:
    crawl = Crawl(visitor.context.request, visitor.url, scope)
    crawl.run(*starts)
    print(f"{crawl.followed} links followed, {len(crawl.forms)} forms seen")
    assert crawl.faults == []
    return crawl


def test_a_strangers_links_lead_somewhere(visit: Callable[[], Visitor]) -> None:
    crawl(visit(), "/", scope=("/",))


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_members_links_lead_somewhere(role: Role, visit: Callable[[], Visitor], installation: Installation) -> None:
    visitor = visit()
    visitor.page.goto("/accounts/login/")
    sign_in(visitor, ROLES[role], installation.demo["customer_password"])
    visitor.page.wait_for_url(f"**/t/{MAIN_TENANT}/**")

    done = crawl(visitor, f"/t/{MAIN_TENANT}/", scope=SCOPE_OF_CUSTOMERS)

    assert done.followed > FOLLOWED_AT_LEAST


@pytest.mark.parametrize("login", [login for login, _, _ in STAFF])
def test_the_links_of_staff_lead_somewhere(
    login: str, visit: Callable[[], Visitor], installation: Installation
) -> None:
    visitor = visit()
    visitor.page.goto("/accounts/login/")
    sign_in(visitor, f"{login}@{STAFF_DOMAIN}", installation.demo["staff_password"])
    visitor.page.wait_for_url("**/start/**")

    done = crawl(visitor, "/admin/", scope=("/admin/",))

    assert done.followed > FOLLOWED_AT_LEAST
