"""Requests that are too large, or that give a header twice, are refused before any of it is read."""

import json

import pytest
from django.conf import settings

from accounts.models import ApiKey
from tests.accounts.conftest import Api, problem_of
from tests.security.caller import Sent, ask


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (Sent("GET", "/api/v1/keys", query="a" * 16_400), 414, "address_too_long"),
        (Sent("GET", "/api/v1/" + "a" * 16_400), 414, "address_too_long"),
        (Sent("GET", "/api/v1/keys", headers={"HTTP_X_ANY": "a" * 33_000}), 431, "headers_too_large"),
        (Sent("GET", "/api/v1/keys", headers={"HTTP_X_API_KEY": "a, b"}), 400, "bad_request"),
        (Sent("GET", "/api/v1/keys", headers={"HTTP_AUTHORIZATION": "Bearer a,Bearer b"}), 400, "bad_request"),
        (Sent("GET", "/api/v1/keys", headers={"HTTP_X_TENANT": "a,b"}), 400, "bad_request"),
        (Sent("POST", "/api/v1/events", headers={"CONTENT_LENGTH": "9" * 5000}), 413, "body_too_large"),
        (Sent("POST", "/api/v1/events", headers={"CONTENT_LENGTH": "5242881"}), 413, "body_too_large"),
    ],
)
def test_an_oversized_api_request_is_refused_as_a_problem(sent: Sent, status: int, code: str) -> None:
    answer = ask(sent)

    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)
    assert "X-Request-ID" in answer.headers


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (Sent("GET", "/pricing/", query="a" * 16_400), 414),
        (Sent("GET", "/pricing/", headers={"HTTP_COOKIE": "a" * 33_000}), 431),
        (Sent("POST", "/accounts/login/", headers={"CONTENT_LENGTH": "262145"}), 413),
    ],
)
def test_an_oversized_page_request_is_refused_in_plain_text(sent: Sent, status: int) -> None:
    answer = ask(sent)

    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("key", ["a,b", "a, b", '"a", "b"', '"a'])
def test_an_idempotency_key_that_came_twice_is_refused(api: Api, key: str) -> None:
    body = {"name": "Backend", "scopes": ["usage:read"]}
    problem = problem_of(api.post("/keys", body, headers={"Idempotency-Key": key}), 400)

    assert problem["code"] == "invalid_idempotency_key"
    assert ApiKey.objects.count() == 1


def test_an_idempotency_key_with_a_comma_is_taken_in_quotes(api: Api) -> None:
    body = {"name": "Backend", "scopes": ["usage:read"]}

    assert api.post("/keys", body, headers={"Idempotency-Key": '"a, b"'}).status_code == 201
    assert api.post("/keys", body, headers={"Idempotency-Key": '"a, b"'})["Idempotency-Replayed"] == "true"


def test_the_length_of_a_list_is_checked_before_its_items(api: Api) -> None:
    problem = problem_of(api.post("/keys", {"name": "Backend", "scopes": [1] * 1000}), 422)

    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/scopes", "max_length")]


@pytest.mark.django_db
def test_no_form_takes_a_file() -> None:
    file = b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nx\r\n--b--\r\n'
    cookie = {"HTTP_COOKIE": f"{settings.CSRF_COOKIE_NAME}={'x' * 32}"}

    assert ask(Sent("POST", "/accounts/login/", file, "multipart/form-data; boundary=b", headers=cookie)).status == 400
