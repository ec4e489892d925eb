"""The page of the search, and the list that a browser requests while the member types."""

from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind, generate_key
from tests.isolation.world import make_invoice
from tests.metering.ledger_world import ledger_of, make_key, send
from tests.portal.conftest import NOW, Cast, make_user, signed_in

HTMX = {"HX-Request": "true"}
QUERIES_OF_A_LIST_MAX = 6  # session, user, tenants; then keys, invoices and the event


def found(client: Client, text: str, slug: str = "acme") -> dict[str, list[str]]:
    groups = client.get(f"/t/{slug}/search/?q={quote(text)}").context["groups"]
    return {group.title: [result.title for result in group.results] for group in groups}


def test_pages_keys_invoices_events_and_documentation_are_found(cast: Cast, alice: Client) -> None:
    key, _ = make_key(cast.acme, name="Gateway in Oslo")
    invoice = make_invoice(cast.acme, Actor.system("test"), NOW)
    send(ledger_of(cast.acme), [{"id": "evt/ 1?&", "type": "http_request"}], as_of=NOW)

    assert found(alice, "gateway in") == {"API keys": ["Gateway in Oslo"]}
    assert found(alice, key.prefix)["API keys"] == ["Gateway in Oslo"]
    assert found(alice, str(invoice.number).lower())["Invoices"] == [invoice.number]
    assert found(alice, "evt/ 1?&") == {"Events": ["evt/ 1?&"]}
    assert found(alice, "next invoice")["Pages"] == ["Next invoice"]
    assert "quota_exceeded" in found(alice, "quota_exceeded")["Documentation"]


def test_every_result_leads_to_a_page(cast: Cast, alice: Client) -> None:
    make_key(cast.acme, name="Invoice key")
    make_invoice(cast.acme, Actor.system("test"), NOW)
    send(ledger_of(cast.acme, is_live=False), [{"id": "in", "type": "http_request"}], as_of=NOW)

    groups = alice.get("/t/acme/search/?q=in").context["groups"]

    assert [group.title for group in groups] == ["Pages", "API keys", "Invoices", "Events", "Documentation"]
    assert {alice.get(result.url).status_code for group in groups for result in group.results} == {200}


def test_a_role_finds_only_what_it_may_open(cast: Cast, alice: Client) -> None:
    invoice = make_invoice(cast.acme, Actor.system("test"), NOW)

    assert "Invoices" in found(alice, str(invoice.number))
    for member in (cast.dora, cast.vera):
        assert found(signed_in(member), str(invoice.number)) == {}
        assert found(signed_in(member), "close the account") == {}


def test_another_tenants_things_are_not_found(cast: Cast) -> None:
    key, _ = make_key(cast.acme, name="Gateway in Oslo")
    invoice = make_invoice(cast.acme, Actor.system("test"), NOW)
    send(ledger_of(cast.acme), [{"id": "mine", "type": "http_request"}], as_of=NOW)
    charlie = signed_in(cast.charlie)

    for text in ("Gateway", key.prefix, str(invoice.number), "mine"):
        assert {"API keys", "Invoices", "Events"}.isdisjoint(found(charlie, text, "rival")), text
        assert charlie.get(f"/t/acme/search/?q={text}").status_code == 404


def test_the_list_for_a_script_takes_one_request_and_few_queries(cast: Cast, alice: Client) -> None:
    make_key(cast.acme, name="Gateway")
    url = "/t/acme/search/?q=gateway"
    alice.get(url, headers=HTMX)

    with CaptureQueriesContext(connection) as queries:
        page = alice.get(url, headers=HTMX)

    assert b"<html" not in page.content
    assert b"Gateway" in page.content
    assert len(queries) <= QUERIES_OF_A_LIST_MAX


def test_a_pasted_key_does_not_stay_in_the_address(alice: Client) -> None:
    secret = generate_key(KeyKind.LIVE)

    answer = alice.get(f"/t/acme/search/?q={secret}")

    assert answer["Location"] == f"/t/acme/search/?q={secret[:12]}"


@pytest.mark.parametrize("text", ["", "%", "_", "'; DROP TABLE event; --", "<script>", "x" * 5_000, "\ud7ff"])
def test_a_hostile_text_finds_nothing_and_breaks_nothing(text: str, cast: Cast, alice: Client) -> None:
    make_key(cast.acme, name="Gateway")

    page = alice.get("/t/acme/search/", {"q": text})

    assert page.status_code == 200
    assert "API keys" not in {group.title for group in page.context["groups"]}
    assert "“<script>”" not in page.content.decode()


def test_the_search_without_a_tenant_leads_to_the_members_own(cast: Cast, alice: Client, client: Client) -> None:
    assert alice.get("/search/?q=a+b")["Location"] == "/t/acme/search/?q=a+b"
    assert client.get("/search/?q=a")["Location"] == "/accounts/login/?next=/search/%3Fq%3Da"
    assert signed_in(make_user("new@example.com")).get("/search/?q=a")["Location"] == "/start/"
