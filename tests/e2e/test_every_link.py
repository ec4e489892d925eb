"""Every link of the demonstration, followed as each role of a customer and as each group of staff.

The requests use the browser's own session without drawing the pages. The tours draw them, press buttons and take
pictures.
"""

from collections.abc import Callable

import pytest

from accounts.domain.roles import Role
from config.workbench.demo.cast import MAIN_TENANT, STAFF, TENANTS, email_of
from config.workbench.demo.people import STAFF_DOMAIN
from tests.e2e.crawler import OF_ONE_KIND_MAX, Crawl
from tests.e2e.installation import Installation
from tests.e2e.sign_in import sign_in
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

MAIN = next(tenant for tenant in TENANTS if tenant.slug == MAIN_TENANT)
ROLES = {role: email_of(person, MAIN) for person, role in reversed(MAIN.people)}
SCOPE_OF_CUSTOMERS = ("/t/", "/accounts/", "/docs/", "/pricing/")
FOLLOWED_AT_LEAST = 30  # of the viewer, who sees the least


def crawl(visitor: Visitor, *starts: str, scope: tuple[str, ...], of_one_kind_max: int = OF_ONE_KIND_MAX) -> Crawl:
    crawl = Crawl(visitor.context.request, visitor.url, scope, of_one_kind_max)
    crawl.run(*starts)
    print(f"{crawl.followed} links followed, {len(crawl.forms)} forms seen")
    assert not crawl.faults, "\n".join(dict.fromkeys(crawl.faults))
    return crawl


def test_every_link_of_a_stranger_leads_to_a_page(visit: Callable[[], Visitor]) -> None:
    crawl(visit(), "/", scope=("/",))


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_link_of_a_member_leads_to_a_page(
    role: Role, visit: Callable[[], Visitor], installation: Installation
) -> None:
    visitor = visit()
    visitor.page.goto("/accounts/login/")
    sign_in(visitor, ROLES[role], installation.demo["customer_password"])
    visitor.page.wait_for_url(f"**/t/{MAIN_TENANT}/**")

    done = crawl(visitor, f"/t/{MAIN_TENANT}/", scope=SCOPE_OF_CUSTOMERS)

    assert done.followed > FOLLOWED_AT_LEAST


@pytest.mark.parametrize("login", [login for login, _, _ in STAFF])
def test_every_link_of_staff_leads_to_a_page(
    login: str, visit: Callable[[], Visitor], installation: Installation
) -> None:
    visitor = visit()
    visitor.page.goto("/accounts/login/")
    sign_in(visitor, f"{login}@{STAFF_DOMAIN}", installation.demo["staff_password"])
    visitor.page.wait_for_url("**/start/**")

    done = crawl(visitor, "/admin/", scope=("/admin/",), of_one_kind_max=1)

    assert done.followed > FOLLOWED_AT_LEAST
