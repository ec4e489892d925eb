"""Every call of the API meets bad paths, queries, headers and bodies, and none gives a 5xx.

The calls are found by walking the URLs, so a new route is tried without being named here.
"""

import gzip
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import Tenant
from tests.accounts.conftest import Api, body_of
from tests.contract import operation_of

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
ID = "01a1fe3a-647a-7820-9e31-7dcbc98638cb"
ARGUMENTS = (ID, "acme", "%00", "%ff", "x" * 3000, "..%2f..", "%F0%9F%8C%BE", "a%0Ab", "-1")
NUMBERS = ("-1", "1e400", "NaN", "9" * 5000, "٣")
TEXTS = ("\u202e", "💶" * 300, "'; DROP TABLE event; --")
TIMES = ("0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-30", "2026-11")
NAMES = (
    "limit",
    "cursor",
    "tenant",
    "month",
    "start",
    "end",
    "meter",
    "api_key",
    "window",
    "group_by",
    "filter[x]",
    "type",
    "subject",
    "len",
    "deny",
)
QUANTITIES: tuple[object, ...] = (-1, 1e300, "NaN", None, [], "1" * 400)
BODIES: tuple[object, ...] = (
    None,
    True,
    7,
    "x",
    [],
    {},
    [[]],
    {"": ""},
    {"events": None},
    {"events": []},
    {"events": [None, 1, "x", [], {}]},
    {"records": [{}]},
    {"events": [{"id": "1", "type": "http_request", "quantity": number} for number in QUANTITIES]},
    {"id": "1", "type": "http_request", "timestamp": 10**40},
    {"id": "\ud800", "type": "http_request"},
    {"id": "a\x00", "type": "http_request"},
    {"id": "1", "type": "http_request", "properties": {"a" * 5000: 1}},
    {"id": "1", "type": "http_request", "properties": {"a": {"b": [1]}}},
    {"name": "x", "scopes": ["keys:manage"] * 5000},
    {"name": "x", "scopes": ["usage:read"], "quota": 1e308},
    {"name": "x", "scopes": ["usage:read"], "throttle": {"rate": 2**63, "burst": 2**63}},
    {"grace_seconds": 2**63},
    {"reason": "\x00"},
    {"type": "http_request", "quantity": "-0"},
    {"type": ["http_request"], "quantity": {}},
    {"TenantID": 1, "ProductCode": [], "Quantity": 1e999, "Timestamp": "x"},
)
RAW = (
    b"",
    b"{",
    b"\xff\xfe\x00",
    b"[" * 50_000,
    b'{"a":' * 3000,
    b'{"id":"1","id":"2"}',
    b'{"quantity":1e99999999999}',
    b"nul",
    b"\x1f\x8b\x08\x00",
)
MEDIA = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "text/plain",
    "",
    ";;;",
    "multipart/form-data",
)
HEADERS: tuple[dict[str, str], ...] = (
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "x" * 500},
    {"Accept": "text/csv"},
    {"Accept": "*/*;q=x, ,;"},
    {"X-Tenant": "\u00ff"},
    {"X-Tenant": "x" * 5000},
    {"Idempotency-Key": "x" * 300},
    {"Idempotency-Key": "k"},
    {"X-Forwarded-For": ",,,"},
    {"X-Request-ID": "\x7f"},
    {"ce-id": "", "ce-source": "", "ce-type": "", "ce-specversion": "9"},
    {"X-Original-URI": "\u00ff" * 3000, "X-Original-Method": "?"},
)


def api_paths(patterns: Any = None, prefix: str = "") -> Iterator[str]:
    """Return every route below /api/v1/, with `{}` in the place of each argument."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from api_paths(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and route.startswith("api/v1/"):
            yield "/" + "/".join("{}" if "<" in part else part for part in route.removeprefix("api/v1/").split("/"))


ROUTES = sorted(set(api_paths()))


def filled(route: str) -> str:
    return route.replace("{}", ID)


def questions(route: str) -> list[list[str]]:
    """Return the names to ask with: each that the OpenAPI document has by itself, and all others together."""
    operation = operation_of("GET", f"/api/v1{filled(route)}") or {}
    described = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    return [*([name] for name in described), [name for name in NAMES if name not in described]]


def assert_no_fault(response: Any, *tried: object) -> None:
    assert response.status_code < 500, (tried, response.status_code, response.content[:300])
    if response.request["PATH_INFO"] == "/api/v1/oauth/token" and response["Content-Type"] == "application/json":
        # Its errors are those of OAuth 2.0 (RFC 6749, section 5.2).
        assert set(body_of(response)) == {"error", "error_description"}, (tried, response.content[:300])
    elif response.status_code >= 400 and response.content:
        assert response["Content-Type"] == "application/problem+json", (tried, response["Content-Type"])
        assert body_of(response)["status"] == response.status_code


def test_the_walk_finds_the_routes() -> None:
    assert {"/keys", "/keys/{}/rotate", "/operator/tenants/{}", "/events", "/usage/query"} <= set(ROUTES)


@pytest.mark.parametrize("route", ROUTES)
def test_bad_paths_methods_and_queries(api: Api, route: str) -> None:
    for method in METHODS:
        assert_no_fault(api.call(method, filled(route)), method)
    for argument in ARGUMENTS if "{}" in route else ():
        for method in ("GET", "POST", "DELETE"):
            assert_no_fault(api.call(method, route.replace("{}", argument)), method, argument)
    if api.get(filled(route)).status_code == 405:
        return
    for names, value in itertools.product(questions(route), (*NUMBERS, *TEXTS, *TIMES)):
        query = urlencode(dict.fromkeys(names, value))
        assert_no_fault(api.get(f"{filled(route)}?{query}"), query)


@pytest.mark.parametrize("route", ROUTES)
def test_bad_bodies_and_headers(service_api: Api, acme: Tenant, route: str) -> None:
    bodies = [json.dumps(body).encode() for body in BODIES]
    tenant = {"X-Tenant": "acme"}
    for method in ("POST", "PATCH"):
        is_allowed = service_api.call(method, filled(route), headers=tenant).status_code != 405
        for raw in (*bodies, *RAW) if is_allowed else RAW:
            assert_no_fault(service_api.call(method, filled(route), raw=raw, headers=tenant), method, raw[:80])
    for media, raw in itertools.product(MEDIA, (b"{}", b"[]", bodies[12])):
        assert_no_fault(
            service_api.call("POST", filled(route), raw=raw, content_type=media, headers=tenant), media, raw[:80]
        )
    for headers in HEADERS:
        for raw in (b'{"id":"1","type":"http_request"}', gzip.compress(b"[]")):
            assert_no_fault(
                service_api.call("POST", filled(route), raw=raw, headers=tenant | headers), headers, raw[:80]
            )
            assert_no_fault(service_api.call("GET", filled(route), headers=tenant | headers), headers)
