"""Errors are shown in the portal's frame, with the id under which the request is logged."""

from typing import Any

import pytest
from django.http import Http404, HttpRequest
from django.test import Client, RequestFactory
from django.urls import get_resolver

ID = "01a2-request"


def handled(status: int) -> str:
    """Return what Django's own error handling shows without a database."""
    request: HttpRequest = RequestFactory().get("/somewhere/")
    request.request_id = ID
    handler: Any = get_resolver().resolve_error_handler(status)
    answer = handler(request) if status == 500 else handler(request, Http404())
    assert answer.status_code == status
    return answer.content.decode()


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_an_error_page_names_the_request_and_needs_no_database(status: int) -> None:
    page = handled(status)
    assert f"Error {status}" in page
    assert f"<code>{ID}</code>" in page
    assert "entrance-bar" in page


def test_a_wrong_address_shows_our_page(db: None, client: Client) -> None:
    answer = client.get("/nowhere/", headers={"X-Request-ID": ID})
    assert answer.status_code == 404
    assert f"<code>{ID}</code>" in answer.content.decode()


def test_a_form_without_a_token_shows_our_page() -> None:
    answer = Client(enforce_csrf_checks=True).post("/start/", headers={"X-Request-ID": ID})
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "the page had been open for too long" in page
    assert f"<code>{ID}</code>" in page


@pytest.mark.parametrize("path", ["/nowhere/", "/start/"])
def test_a_host_that_is_not_ours_shows_our_page(path: str) -> None:
    answer = Client(headers={"Host": "elsewhere.example"}).get(path)
    assert answer.status_code == 400
    assert "Error 400" in answer.content.decode()
