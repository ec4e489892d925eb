"""The OpenAPI document: one rule for names, every call of the public contract, and every response of each call.

`tests/contract.py` compares the responses of every test with the document.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse

from tests.accounts.conftest import Api
from tests.contract import PREFIX, check_answer, document

VERBS = {
    "GET": {"list", "retrieve", "query"},
    "POST": {
        "create",
        "report",
        "void",
        "authorize",
        "rotate",
        "preview",
        "run",
        "commit",
        "release",
        "test",
        "replay",
    },
    "PATCH": {"update"},
    "DELETE": {"delete", "revoke"},
}
OPERATION_ID = re.compile(r"(?P<verb>[a-z]+)(?:_[a-z]+)+")
SUMMARY = re.compile(r"[A-Z][a-z]+ \S.{3,60}[^.]")

# Every call of the public contract. A call that is built moves up. A call that the contract does not have must not
# exist, except what adds to it, in `ADDED`.
BUILT = """
GET /keys · POST /keys · POST /keys/{} /rotate · DELETE /keys/{} · POST /leaked-keys · POST /oauth/token
GET /events · POST /events · GET /events/{} · POST /events/{} /void · POST /access-logs · POST /authorize
GET /authorize/forward · POST /reservations · POST /reservations/{} /commit · POST /reservations/{} /release
GET /usage/monthly · GET /usage/daily · GET /usage/realtime · GET /usage/query · POST /usage/sql
GET /plans · GET /subscription · POST /subscription/preview · GET /credit-notes · GET /alerts
GET /payments · GET /payments/{} /receipt
GET /proofs/{} · GET /proofs/events/{}
GET /invoices/{} /evidence
GET /invoices · GET /invoices/{} · GET /invoices/{} /pdf · GET /invoices/{} /lines/{} /events
GET /operator/tenants · POST /operator/tenants · GET /operator/tenants/{} · PATCH /operator/tenants/{}
POST /operator/aggregate · POST /operator/monitor · POST /operator/invoices
GET /webhook-endpoints · POST /webhook-endpoints · PATCH /webhook-endpoints/{} · DELETE /webhook-endpoints/{}
POST /webhook-endpoints/{} /rotate-secret · POST /webhook-endpoints/{} /test
GET /webhook-deliveries · POST /webhook-deliveries/{} /replay
GET /budgets · POST /budgets · PATCH /budgets/{} · DELETE /budgets/{}
GET /demo/example · POST /demo/data · GET /demo/random/strings
"""
ADDED = """
GET /operator/product-codes · POST /operator/product-codes
PATCH /operator/product-codes/{} · DELETE /operator/product-codes/{}
GET /alert-thresholds · POST /alert-thresholds · GET /alert-thresholds/{} · DELETE /alert-thresholds/{}
GET /budgets/{} · POST /embed-tokens · GET /webhook-endpoints/{} · POST /webhook-endpoints/{} /replay
"""
NOT_BUILT = """
GET /invoices/{} /xml · GET /operator/inbox
"""


def calls_of(text: str) -> set[str]:
    return {call.strip().replace("{} /", "{}/") for line in text.splitlines() for call in line.split("·")} - {""}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


EVERY_OPERATION = pytest.mark.parametrize(
    ("method", "path", "operation"),
    [pytest.param(*found, id=f"{found[0]} {found[1].removeprefix(PREFIX)}") for found in operations()],
)


def test_the_document_has_every_call_of_the_contract_that_is_built_and_no_other() -> None:
    described = {f"{method} /{re.sub('{.*?}', '{}', path.removeprefix(PREFIX))}" for method, path, _ in operations()}
    assert described == calls_of(BUILT) | calls_of(ADDED)
    assert not calls_of(BUILT) & calls_of(NOT_BUILT)


@EVERY_OPERATION
def test_an_operation_is_named_by_a_verb_and_a_noun(method: str, path: str, operation: dict[str, Any]) -> None:
    shape = OPERATION_ID.fullmatch(operation["operationId"])
    assert shape is not None
    assert shape["verb"] in VERBS[method]
    is_page = "cursor" in {parameter["name"] for parameter in operation.get("parameters", ())}
    assert not is_page or shape["verb"] == "list"
    assert SUMMARY.fullmatch(operation["summary"])
    assert operation["summary"].split()[0].lower() == shape["verb"]
    assert operation["description"]


def test_no_two_operations_have_one_name() -> None:
    [(_, times)] = Counter(operation["operationId"] for _, _, operation in operations()).most_common(1)
    assert times == 1


def test_each_operation_has_one_tag_and_each_tag_is_described() -> None:
    tags = [tuple(operation["tags"]) for _, _, operation in operations()]
    assert {len(tag) for tag in tags} == {1}
    assert {tag for (tag,) in tags} == {tag["name"] for tag in settings.SPECTACULAR_SETTINGS["TAGS"]}
    assert all(tag["description"].endswith(".") for tag in settings.SPECTACULAR_SETTINGS["TAGS"])


@EVERY_OPERATION
def test_an_operation_says_what_may_come_of_its_body_and_its_headers(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    expected = {"400", "401", "403", "406", "503"}
    headers = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}
    if "requestBody" in operation:
        expected |= {"411", "413", "415", "422"}
    if "Idempotency-Key" in headers:
        expected |= {"409", "422"}
    if "X-Tenant" in headers or "{" in path:
        expected |= {"404"}
    if "X-Tenant" in headers:
        expected |= {"422"}
    assert expected <= operation["responses"].keys()


@EVERY_OPERATION
def test_a_creating_call_takes_an_idempotency_key(method: str, path: str, operation: dict[str, Any]) -> None:
    headers = {parameter["name"] for parameter in operation.get("parameters", ())}
    assert "201" not in operation["responses"] or "Idempotency-Key" in headers


KEY_PAGE: dict[str, object] = {"data": [], "next": None, "previous": None}
PROBLEM = {
    "type": "/docs/errors#not_found",
    "title": "Not found",
    "status": 404,
    "detail": "",
    "instance": "/api/v1/keys",
    "code": "not_found",
    "request_id": "r-1",
}


def answer(body: object, status: int = 200, content_type: str = "application/json", **headers: str) -> HttpResponse:
    named = {"X-Request-ID": "r-1"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(json.dumps(body), content_type, status, headers=named)


def problem(status: int, **members: object) -> HttpResponse:
    return answer(PROBLEM | {"status": status} | members, status, "application/problem+json")


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        (lambda: answer(KEY_PAGE | {"count": 0}), "'count' was unexpected"),
        (lambda: answer({"data": [], "next": None}), "'previous' is a required property"),
        (lambda: answer(KEY_PAGE | {"next": "page 2"}), "'page 2' is not a 'uri'"),
        (lambda: answer(KEY_PAGE, 418), "returns 418"),
        (lambda: answer(KEY_PAGE, content_type="text/html"), "is text/html"),
        (lambda: answer(KEY_PAGE, Retry_After="1"), "the header Retry-After is not described"),
        (lambda: HttpResponse(json.dumps(KEY_PAGE), "application/json"), "lacks the header X-Request-ID"),
        (lambda: problem(401), "lacks the header WWW-Authenticate"),
        (lambda: problem(404, hint="?"), "'hint' was unexpected"),
        (lambda: problem(404, title=7), "7 is not of type 'string'"),
    ],
)
def test_an_answer_that_is_not_as_described_is_a_mistake(given: Callable[[], HttpResponse], mistake: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(mistake)):
        check_answer("GET", "/api/v1/keys", given())


def test_an_answer_as_described_is_none() -> None:
    for good in (answer(KEY_PAGE), problem(404)):
        check_answer("GET", "/api/v1/keys", good)


def test_every_answer_that_a_test_receives_is_checked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[tuple[str, str, int]] = []
    monkeypatch.setattr(
        "tests.conftest.check_answer", lambda method, path, found, *_: checked.append((method, path, found.status_code))
    )
    api.get("/keys")
    api.post("/keys", {})
    assert checked == [("GET", "/api/v1/keys", 200), ("POST", "/api/v1/keys", 400)]
