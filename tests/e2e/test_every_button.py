"""Every button of the demonstration, pressed as each role of a customer and as each group of staff.

The demonstration is seeded into the test's own database, with little traffic. Each press is taken back.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from accounts.domain.roles import Role
from accounts.models import User
from config.workbench.demo.cast import MAIN_TENANT, STAFF, TENANTS
from config.workbench.demo.people import STAFF_DOMAIN
from config.workbench.demo.steps import seed_demo
from metering.services.partitions import ensure_partitions_around
from tests.e2e.buttons import BASE, Answer, Button, PageCrawl, Pages, Presses, buttons_of, fault_of
from tests.e2e.crawler import OF_ONE_KIND_MAX, Crawl
from tests.e2e.test_every_link import ROLES, SCOPE_OF_CUSTOMERS
from tests.shared_world import shared_world

pytestmark = [pytest.mark.e2e, pytest.mark.django_db]

PRESSED_AT_LEAST = 10  # by the viewer, who may do the least
BOTH = ("get", "post")
SIGN_IN = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(scope="module", autouse=True)
def demonstration(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Seed all tenants of the demonstration, with as little traffic as there may be."""

    def make() -> None:
        now = timezone.now()
        ensure_partitions_around(as_of=now, backfill_days=190)
        quiet = [replace(tenant, hourly_tenths=1, spike_days=()) for tenant in TENANTS]
        file: Path = tmp_path_factory.mktemp("demo") / "demo.json"
        seed_demo(seed="buttons", as_of=now, credentials_file=file, tenants=quiet)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "PASSWORD_HASHERS", ["django.contrib.auth.hashers.MD5PasswordHasher"])
        yield from shared_world(django_db_blocker, make)


def press_every_button(email: str, crawl: Callable[[Pages], Crawl], start: str, *, methods: Sequence[str]) -> Presses:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(User.objects.get(email=email), backend=SIGN_IN)
    pages, presses = Pages(client), Presses(client, methods)
    crawl(pages).run(start)
    presses.press_all(pages.texts)
    print(
        f"{len(pages.texts)} pages, {presses.pressed} presses, {presses.done} done, {presses.refused} refused in words"
    )
    assert not presses.faults, "\n".join(presses.faults)
    return presses


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_button_of_a_member_does_or_says_something(role: Role) -> None:
    done = press_every_button(
        ROLES[role],
        lambda pages: Crawl(pages, BASE, SCOPE_OF_CUSTOMERS, OF_ONE_KIND_MAX),
        f"/t/{MAIN_TENANT}/",
        methods=BOTH,
    )

    assert done.pressed > PRESSED_AT_LEAST


@pytest.mark.parametrize(("login", "group"), [(login, group) for login, _, group in STAFF])
def test_every_button_of_staff_does_or_says_something(login: str, group: str | None) -> None:
    done = press_every_button(
        f"{login}@{STAFF_DOMAIN}",
        lambda pages: PageCrawl(pages, BASE, ("/admin/",), 1),
        "/admin/",
        methods=BOTH if group is None else ("post",),  # search and filters are the same in each group
    )

    assert done.done  # who only reads can sign out


FORM = (
    '<form method="post" action="/save/"><input name="name"><input type="hidden" name="token" value="1">'
    '<button name="how" value="fast">Save now</button></form><button form="none" type="button">Copy</button>'
)


def test_a_button_sends_what_its_form_holds() -> None:
    [button] = buttons_of("/page/", FORM)
    assert (button.label, button.method, button.action) == ("Save now", "post", "/save/")
    assert button.values == (("name", ""), ("token", "1"), ("how", "fast"))
    assert dict(button.filled().values)["name"] == "A name"


@pytest.mark.parametrize(
    ("status", "text", "is_fault"),
    [
        (500, "", True),
        (404, FORM, True),
        (200, FORM, True),
        (422, FORM, True),
        (200, f"{FORM}<p>1 keys were revoked.</p>", True),
        (200, f"{FORM}<p>Saved.</p>", False),
        (422, f'{FORM}<ul class="errorlist"><li>Enter a name.</li></ul>', False),
    ],
)
def test_a_press_that_ends_badly_is_a_fault(status: int, text: str, *, is_fault: bool) -> None:
    button = Button("/page/", "Save", "post", "/page/", ())
    answer = Answer(f"{BASE}/page/", status, {"content-type": "text/html"}, HttpResponse(text))
    assert bool(fault_of(answer, button, FORM)) is is_fault
