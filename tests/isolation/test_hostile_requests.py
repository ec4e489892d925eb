"""P18: no body makes a 5xx, at any route of the API, and every refusal is a problem as RFC 9457 defines it.

Paths, queries and headers are tried by `tests/accounts/api/test_every_edge.py`. This file is with the isolation tests,
since it goes through the same list of routes: a new one is tried from its first day.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped] # ships no types
import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from tests.isolation.routes import Room, Route, room_of, routes_of
from tests.isolation.test_every_route import BODIES, address
from tests.isolation.world import Estate, make_estate
from tests.metering.ledger_world import make_key

pytestmark = pytest.mark.django_db

API = (Room.OWN_TENANT, Room.TENANT_OBJECT, Room.OPERATOR)
SERVER_ERROR, CLIENT_ERROR = 500, 400
MEBIBYTE = 1024 * 1024
# RFC 9457, and what our contract adds to it.
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "minLength": 1},
        "title": {"type": "string", "minLength": 1},
        "status": {"type": "integer", "minimum": 400, "maximum": 499},
        "detail": {"type": "string", "minLength": 1},
        "instance": {"type": "string", "format": "uri-reference", "minLength": 1},
        "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
        "request_id": {"type": "string", "minLength": 1},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {"pointer": {"type": "string", "pattern": "^(/|$)"}, "code": {"type": "string"}},
            },
        },
    },
}
VALIDATOR = jsonschema.Draft202012Validator(PROBLEM)

# Values that a field may get instead of its own.
HOSTILE_VALUES = (
    "null", "true", "[]", "{}", '""', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', "0", "-1", "1e400", "-1e-400",
    "1e99999999999", "123456789" * 40, "0." + "1" * 400, "NaN", "Infinity", f'"{"x" * 70_000}"',
    '"2026-02-30T25:61:61Z"',
    '"0000-00-00T00:00:00Z"', '"9999-12-31T23:59:60+23:59"', "9223372036854775808", "-9223372036854775809", ('["a", 1, '
    'null]'),
    '{"a": {"b": {"c": []}}}', '"\\u202e\\ufeff\\uffff"', '"; DROP TABLE event; --"', '"%s%(x)s{0}"', '"١٢٣"',
)  # fmt: skip
HOSTILE_BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "two values": b"{}{}",
    "not UTF-8": b'{"id": "\xff\xfe"}',
    "UTF-16": '{"id": "a"}'.encode("utf-16"),
    "a NUL": b'{"id": "a\x00"}',
    "a number": b"1",
    "an absurd number": b"9" * 100_000,
    "a text": b'"text"',
    "null": b"null",
    "deep arrays": b"[" * 100_000,
    "deep closed arrays": b"[" * 50_000 + b"]" * 50_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "many members": b"{" + b",".join(b'"m%d":%d' % (n, n) for n in range(5_000)) + b"}",
    "one member often": b"{" + b",".join([b'"id":"a"'] * 10_000) + b"}",
    "an empty batch": b'{"events": []}',
    "a batch of nothing": b'{"events": [null, 1, "a", [], {}]}',
    "too many events": b'{"events": [' + b",".join([b"{}"] * 5001) + b"]}",
    "a name with a surrogate": b'{"\\ud800": 1}',
    "too large": b'{"id": "' + b"x" * (5 * MEBIBYTE) + b'"}',
    "a form": b"id=a&type=b",
}
HOSTILE_ENCODINGS: Mapping[str, tuple[bytes, str, str]] = {
    "gzip that is none": (b"{}", "application/json", "gzip"),
    "gzip cut off": (gzip.compress(b"{}" * 1000)[:-9], "application/json", "gzip"),
    "a bomb": (gzip.compress(b" " * (8 * MEBIBYTE)), "application/json", "gzip"),
    "gzip of gzip": (gzip.compress(gzip.compress(b"{}")), "application/json", "gzip"),
    "an unknown encoding": (b"{}", "application/json", "br, gzip, \xff"),
    "no content type": (b"{}", "", ""),
    "XML": (b"<a/>", "application/xml", ""),
    "multipart without end": (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n",
     "multipart/form-data; boundary=b", ""),
    "multipart without boundary": (b"--b", "multipart/form-data", ""),
    "an unknown charset": (b"{}", "application/json; charset=klingon", ""),
    "a type that is no type": (b"{}", "/;;=\x01", ""),
    "an absurdly long type": (b"{}", "application/json;" + "a=b;" * 5000, ""),
}  # fmt: skip
PROGRAM = Client(raise_request_exception=False)  # one for all: each new one loads the middleware again
OPERATOR_SECRETS: list[str] = []  # of the test that runs


@pytest.fixture
def estate() -> Estate:
    OPERATOR_SECRETS[:] = [make_key(None, kind=KeyKind.SERVICE, scopes=[scope.value for scope in Scope])[1]]
    return make_estate("acme")


@pytest.mark.takes_long("it sends hundreds of requests")
def test_no_body_makes_a_5xx(estate: Estate) -> None:
    tried = (
        (route, method, body, "application/json", "")
        for route, method in writing_calls()
        for body in (*HOSTILE_BODIES.values(), *twisted_bodies(route, estate))
    )
    assert wrongs_of(ask(estate, *call) for call in tried) == []


@pytest.mark.takes_long("it sends hundreds of requests")
def test_no_encoding_or_media_type_makes_a_5xx(estate: Estate) -> None:
    tried = ((route, method, *sent) for route, method in writing_calls() for sent in HOSTILE_ENCODINGS.values())
    assert wrongs_of(ask(estate, *call) for call in tried) == []


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
@pytest.mark.takes_long("it sends hundreds of requests")
def test_no_json_makes_a_5xx(estate: Estate, data: st.DataObject) -> None:
    route, method = data.draw(st.sampled_from(list(writing_calls())))
    fields = sorted(field_names(route, estate))
    body = data.draw(st.dictionaries(st.sampled_from(fields) | st.text(max_size=10), JSON_VALUES, max_size=6))

    assert wrongs_of([ask(estate, route, method, json.dumps(body).encode())]) == []


def test_control_a_5xx_and_a_refusal_that_is_no_problem_are_detected() -> None:
    server_error = HttpResponse(b"{}", status=503, content_type="application/problem+json")
    page = HttpResponse(b"<h1>Not Found</h1>", status=404)
    half = HttpResponse(b'{"title": "x"}', status=404, content_type="application/problem+json")

    good = HttpResponse(b"", status=204)
    named = {
        wrong.split(":")[1].strip() for wrong in wrongs_of([("a", server_error), ("b", page), ("c", half), ("d", good)])
    }
    assert named == {"a", "b", "c"}


def writing_calls() -> Iterator[tuple[Route, str]]:
    for route in routes_of(*API):
        for method in sorted(route.methods & {"POST", "PUT", "PATCH"}):
            yield route, method


def wanted_body(route: Route, estate: Estate) -> dict[str, Any]:
    """Return the body with which the call gets furthest."""
    if route.path not in BODIES:
        return {"name": "Globex", "status": "active"}
    body = BODIES[route.path](estate)
    assert isinstance(body, dict)
    return dict(body)


def field_names(route: Route, estate: Estate) -> set[str]:
    body = wanted_body(route, estate)
    return {*body, "tenant", "type", "id", "events", "quantity", "timestamp", "properties", "records", "name", "scopes"}


def twisted_bodies(route: Route, estate: Estate) -> Iterator[bytes]:
    """Return the body that the call takes, with each of its members in turn replaced by something hostile."""
    body: dict[str, Any] = wanted_body(route, estate)
    for number, value in enumerate(HOSTILE_VALUES):
        names = sorted(body) or ["id"]
        name = names[number % len(names)]
        rest = {other: given for other, given in body.items() if other != name}
        yield json.dumps(rest)[:-1].encode() + f'{", " if rest else ""}"{name}": {value}}}'.encode()
        for member in ("events", "records"):
            if member in body:
                item = dict(body[member][0])
                fields = (*sorted(item), "timestamp", "quantity", "properties", "subject", "status", "response_length")
                field = fields[number % len(fields)]
                item.pop(field, None)
                yield (
                    json.dumps({member: ["ITEM"]}).replace('"ITEM"', f'{json.dumps(item)[:-1]}, "{field}": {value}}}')
                ).encode()


def ask(
    estate: Estate,
    route: Route,
    method: str,
    body: bytes = b"",
    content_type: str = "application/json",
    encoding: str = "",
) -> tuple[str, Any]:
    """Send the request, and undo what it did. A description goes with the response."""
    secret = OPERATOR_SECRETS[-1] if room_of(route) is Room.OPERATOR else estate.key.secret
    sent = {
        "Authorization": f"Bearer {secret}",
        **({"Content-Encoding": encoding} if encoding else {}),
    }
    with transaction.atomic():
        response = PROGRAM.generic(method, address(route, estate), body, content_type=content_type, headers=sent)
        transaction.set_rollback(True)
    return f"{method} {route.path} {body[:120]!r} {content_type[:60]} {encoding}", response


def wrongs_of(answers: Any) -> list[str]:
    """List which responses break the promise, and how."""
    wrongs = []
    for what, response in answers:
        if response.status_code >= SERVER_ERROR:
            wrongs.append(f"{response.status_code}: {what}: {response.content[:200]!r}")
        elif response.status_code >= CLIENT_ERROR:
            wrongs += [f"{response.status_code}: {what}: {said}" for said in faults_of_problem(response)]
    return wrongs


def faults_of_problem(response: Any) -> list[str]:
    if response["Content-Type"] != "application/problem+json":
        return [f"is {response['Content-Type']}"]
    problem = json.loads(response.content)
    faults = [error.message for error in VALIDATOR.iter_errors(problem)]
    return faults if problem.get("status") == response.status_code else [*faults, "its status is another"]
