"""From sign-up to the first counted event."""

import ast
import json
import re
import shlex

from django.test import Client

from accounts.domain.roles import Role
from accounts.models import ApiKey, Membership, Tenant
from portal.snippets import snippets
from tests.metering.ledger_world import ledger_of, make_key, send
from tests.portal.conftest import NOW, Cast, make_user, signed_in

HTMX = {"HX-Request": "true"}


def test_a_new_user_names_a_tenant_and_owns_it(db: None) -> None:
    newcomer = make_user("new@example.com")
    client = signed_in(newcomer)
    assert b"Name your organisation" in client.get("/start/").content

    answer = client.post("/start/", {"name": "Fjörd & Sons", "time_zone": "Europe/Oslo"})

    tenant = Tenant.objects.get()
    assert answer["Location"] == f"/t/{tenant.slug}/first-steps/"
    assert tenant.time_zone == "Europe/Oslo"
    assert Membership.objects.get(user=newcomer, tenant=tenant).role == Role.OWNER


def test_an_unknown_time_zone_is_left_at_utc(db: None) -> None:
    signed_in(make_user("new@example.com")).post("/start/", {"name": "Acme", "time_zone": "Mars/Olympus"})

    assert Tenant.objects.get().time_zone == "UTC"


def test_a_tenant_without_a_name_is_refused_with_a_reason(db: None) -> None:
    answer = signed_in(make_user("new@example.com")).post("/start/", {"name": "  "})

    assert answer.status_code == 422
    assert not Tenant.objects.exists()


def test_a_member_is_redirected_to_the_tenant_and_may_create_another(cast: Cast, alice: Client) -> None:
    assert alice.get("/start/")["Location"] == "/t/acme/"
    page = alice.get("/start/?new=1")
    assert page.status_code == 200
    assert b"/t/acme/" in page.content


def test_creating_a_key_fills_it_into_every_snippet(cast: Cast, alice: Client) -> None:
    page = alice.post("/t/acme/first-steps/", {"kind": "test"}).content.decode()

    secrets = re.findall(r"ch_test_[0-9A-Za-z]{38}", page)
    assert len(set(secrets)) == 1
    assert len(secrets) == 4  # by itself, and in three languages
    assert ApiKey.objects.get(tenant=cast.acme).scopes == ["events:write", "usage:read"]


def test_too_many_keys_are_refused_on_the_page(cast: Cast, alice: Client) -> None:
    for _ in range(500):
        make_key(cast.acme)

    answer = alice.post("/t/acme/first-steps/", {"kind": "live"})

    assert answer.status_code == 200
    assert b"at most 500 working keys" in answer.content


def test_the_box_waits_and_shows_the_first_event(cast: Cast, alice: Client) -> None:
    assert b"Waiting for your first event" in alice.get("/t/acme/first-steps/").content
    assert alice.get("/t/acme/first-steps/event/", headers=HTMX).status_code == 204

    send(ledger_of(cast.acme, is_live=False), [{"id": "hello-1", "type": "http_request"}], as_of=NOW)

    box = alice.get("/t/acme/first-steps/event/", headers=HTMX).content
    assert b"Your event has arrived" in box
    assert b"hello-1" in box
    assert b"hx-trigger" not in box  # it has arrived: no more polling
    assert b"<html" not in box
    assert b"<html" in alice.get("/t/acme/first-steps/event/").content


def test_another_tenants_event_does_not_end_the_wait(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.rival), [{"id": "hello-1", "type": "http_request"}], as_of=NOW)

    assert alice.get("/t/acme/first-steps/event/", headers=HTMX).status_code == 204


def test_snippets_are_programs_that_send_one_event_each() -> None:
    curl, python, javascript = snippets(url="https://count.example", key="ch_live_x")

    command = shlex.split(curl.code.replace("\\\n", " "))
    sent = json.loads(command[command.index("-d") + 1])
    assert command[0] == "curl"
    assert sent["type"] == "http_request"
    ast.parse(python.code)
    ids = {re.search(r'"?id"?: "([^"]+)"', snippet.code)[1] for snippet in (curl, python, javascript)}  # type: ignore[index]
    assert len(ids) == 3
    assert all("Bearer ch_live_x" in snippet.code for snippet in (curl, python, javascript))
