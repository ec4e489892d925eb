"""Who may open which page."""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.plugin import DjangoDbBlocker

from accounts.domain.roles import Role
from accounts.models import ApiKey, AuditEntry, Membership, Tenant
from tests.metering.ledger_world import ledger_of, send
from tests.portal.conftest import NOW, Cast, make_cast, signed_in
from tests.portal.pages import HIDDEN, LEAST_ROLE, NAMES, WRITING, Addresses, addresses_of_acme, may_open
from tests.shared_world import shared_world

OF_AN_INVOICE = {
    "invoice",
    "invoice_pdf",
    "invoice_evidence",
    "credit_note_pdf",
    "credit_note_in_part_pdf",
    "invoice_pay",
    "line_events",
}


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[tuple[Cast, Addresses]]:
    """Create the cast, and an object of Acme for each page that shows one."""

    def make() -> tuple[Cast, Addresses]:
        with time_machine.travel(NOW, tick=False):
            cast = make_cast()
            cast.of_role(Role.BILLING)
            send(ledger_of(cast.acme), [{"id": "first", "type": "http_request"}], as_of=NOW)
            return cast, addresses_of_acme(cast)

    yield from shared_world(django_db_blocker, make)


@pytest.fixture
def cast(made: tuple[Cast, Addresses], db: None) -> Cast:
    return deepcopy(made[0])


@pytest.fixture
def acme_pages(made: tuple[Cast, Addresses], db: None) -> Addresses:
    return made[1]


def test_every_page_has_a_least_role() -> None:
    assert set(NAMES) == set(LEAST_ROLE)


@pytest.mark.takes_long("it opens every page in each role")
def test_a_stranger_finds_nothing_and_changes_nothing(cast: Cast, acme_pages: Addresses) -> None:
    charlie = signed_in(cast.charlie)
    before = _everything()
    for name in NAMES:
        url = acme_pages.of(name)
        answers = [charlie.get(url)]
        if name in WRITING:
            answers.append(charlie.post(url, {"name": "mine", "kind": "live"}))

        assert {answer.status_code for answer in answers} == {404}, name
        assert _without_what_differs(answers[0].content) == _without_what_differs(
            charlie.get(url.replace("/acme/", "/nowhere/")).content
        ), name
        assert _everything() == before, name


def test_a_visitor_who_is_not_signed_in_is_redirected_to_sign_in(acme_pages: Addresses, client: Client) -> None:
    for name in NAMES:
        answer = client.get(acme_pages.of(name))

        assert answer.status_code == 302, name
        assert answer["Location"].startswith("/accounts/login/?next=/t/acme/"), name


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.takes_long("it opens every page in each role")
def test_a_role_opens_what_it_may_and_nothing_else_and_no_page_is_stored(
    role: Role, cast: Cast, acme_pages: Addresses
) -> None:
    client = signed_in(cast.of_role(role))

    found = {name: _opened(client, acme_pages.of(name)) for name in NAMES}

    assert {name: answer.status_code for name, answer in found.items()} == {
        name: 200 if may_open(name, role) else 404 if name in HIDDEN else 403 for name in NAMES
    }
    # By browsers or proxies.
    shown = {name: answer for name, answer in found.items() if answer.status_code == 200}
    assert [name for name, answer in shown.items() if "no-store" not in answer["Cache-Control"]] == []


def test_a_page_that_only_reads_takes_no_post(acme_pages: Addresses, alice: Client) -> None:
    reading = sorted(set(NAMES) - WRITING)
    assert {name: alice.post(acme_pages.of(name)).status_code for name in reading} == dict.fromkeys(reading, 405)


def test_an_object_of_another_tenant_is_not_reached_through_ones_own(cast: Cast, acme_pages: Addresses) -> None:
    charlie = signed_in(cast.charlie)
    of_an_object = {"key", "event_refused", "key_rotate", "key_revoke", "key_labels", "key_release"}
    of_an_object |= {"member", "member_remove", "invitation_revoke"}
    for name in sorted(of_an_object | OF_AN_INVOICE):
        url = acme_pages.of(name).replace("/acme/", "/rival/")

        assert charlie.get(url).status_code == 404, name
        assert name not in WRITING or charlie.post(url, {"role": "viewer", "grace_seconds": 0}).status_code == 404, name


def test_a_suspended_tenant_may_look_and_is_informed(cast: Cast, alice: Client) -> None:
    Tenant.objects.filter(pk=cast.acme.pk).update(status="suspended", status_reason="Unpaid")

    page = alice.get("/t/acme/").content.decode()

    assert "Acme is suspended" in page
    assert "Unpaid" in page


def test_the_switcher_offers_the_members_own_tenants_alone(cast: Cast, alice: Client) -> None:
    Membership.objects.create(tenant=cast.rival, user=cast.alice, role=Role.VIEWER, created_at=NOW)

    assert b"/t/rival/" in alice.get("/t/acme/").content
    assert b"/t/acme/" not in signed_in(cast.charlie).get("/t/rival/").content


def test_the_member_of_a_request_is_found_in_three_queries(cast: Cast, alice: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        alice.get("/t/acme/security/")

    of_member = [query["sql"] for query in queries if "accounts_membership" in query["sql"]]
    assert len([statement for statement in of_member if "notices_membernotice" not in statement]) == 1


def _opened(client: Client, url: str) -> Any:
    """Open a page, and undo what opening it wrote, so that each page is opened in the same world."""
    with transaction.atomic():
        answer = client.get(url)
        transaction.set_rollback(True)
    return answer


def _without_what_differs(page: bytes) -> bytes:
    return re.sub(rb'"X-CSRFToken": "[^"]+"|Request <code>[^<]+', b"", page)


def _everything() -> tuple[object, ...]:
    """Return all rows that the writing pages could change."""
    keys = sorted(ApiKey.objects.values_list("pk", "revoked_at", "expires_at"))
    members = sorted(Membership.objects.values_list("pk", "role"))
    return keys, members, list(Tenant.objects.order_by("slug").values()), AuditEntry.objects.count()
