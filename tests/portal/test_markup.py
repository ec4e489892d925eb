"""What the strict content security policy, the icon sprite and the reader require of every page."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client

from tests.metering.ledger_world import ledger_of, send
from tests.portal.conftest import NOW, Cast
from tests.portal.pages import NAMES, addresses_of_acme

OUTSIDE = [
    "/",
    "/pricing/",
    "/docs/",
    "/docs/errors",
    "/docs/api/report_events/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
]
OWN_SIGN_IN = [
    "/accounts/2fa/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/sessions/",
    "/accounts/logout/",
    "/accounts/reauthenticate/",
]
FORBIDDEN = {
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", re.IGNORECASE),
    "a style element": re.compile(r"<style", re.IGNORECASE),
    "a style attribute": re.compile(r"<[^>]+\sstyle=", re.IGNORECASE),
    "an event handler": re.compile(r"<[^>]+\son[a-z]+=", re.IGNORECASE),
    "another host": re.compile(r'(?:src|href|action)="(?:https?:)?//', re.IGNORECASE),
    "an unfinished component": re.compile(r"</?c-|\{%|\{\{"),
}
FILES = {
    "usage_csv",
    "audit_csv",
    "invoice_pdf",
    "invoice_evidence",
    "credit_note_pdf",
    "credit_note_in_part_pdf",
    "receipt",
    "data_download",
    "invoices_csv",
    "invoices_zip",
}
PIECES = {"data_exports"}  # what a page loads again while a job runs
ICON = re.compile(r"icons\.svg#([\w-]*)")


def assert_is_strict(answer: HttpResponse, *, is_piece: bool = False) -> None:
    page = answer.content.decode()
    found = [name for name, pattern in FORBIDDEN.items() if pattern.search(page)]
    assert not found
    assert ("<h1" in page) is not is_piece
    assert page.count('id="main"') == (0 if is_piece else 1)
    sprite = (Path(settings.BASE_DIR) / "static/portal/icons.svg").read_text()
    assert {icon for icon in ICON.findall(page) if f'id="{icon}"' not in sprite} == set()
    assert "unsafe" not in answer["Content-Security-Policy"]


@pytest.mark.takes_long("it opens every page")
def test_a_tenants_page_holds_to_the_policy(cast: Cast, alice: Client) -> None:
    pages = addresses_of_acme(cast)
    send(ledger_of(cast.acme), [{"id": "first", "type": "http_request"}], as_of=NOW)

    for name in sorted(set(NAMES) - FILES):
        print(name)  # pytest shows it with a failure
        assert_is_strict(alice.get(pages.of(name)), is_piece=name in PIECES)


@pytest.mark.parametrize("url", OUTSIDE)
def test_a_page_for_strangers_holds_to_the_policy(url: str, db: None, client: Client) -> None:
    assert_is_strict(client.get(url))


@pytest.mark.parametrize("url", OWN_SIGN_IN)
def test_a_page_about_signing_in_holds_to_the_policy(url: str, alice: Client) -> None:
    assert_is_strict(alice.get(url, follow=True))


def test_an_unknown_address_shows_our_own_page(db: None, client: Client) -> None:
    answer = client.get("/nowhere/")

    assert answer.status_code == 404
    assert b"Page not found" in answer.content
    assert_is_strict(answer)


@pytest.mark.parametrize("code", [400, 403, 404, 500])
def test_an_error_page_needs_neither_request_nor_database(code: int) -> None:
    assert f"Error {code}" in render_to_string(f"{code}.html")


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    sprite = (Path(settings.BASE_DIR) / "static/portal/icons.svg").read_text()
    named = {
        name
        for template in (Path(settings.BASE_DIR) / "templates").rglob("*.html")
        for name in re.findall(r'(?:<c-icon name|icon)="([a-z0-9-]+)"', template.read_text())
    }

    assert {name for name in named if f'id="{name}"' not in sprite} == set()
