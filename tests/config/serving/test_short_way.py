"""The short way says what the long way says, byte for byte: one corpus, sent through the server with and without it."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from pytest_django import Settings

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.keys.domain.token_requests import TokenRequest
from accounts.keys.services.access_tokens import issue_access_token
from accounts.models import TenantStatus
from accounts.selectors.api_keys import find_principal
from config.serving.application import Application, has_short_way
from config.serving.bodies import Patience
from config.serving.pools import Pool, Pools
from config.serving.short_way import Answer, Environ, ShortWay
from config.wsgi import application as wsgi_application
from metering.models import Event, EventIdentity
from metering.services.reconciliation import reconcile
from tests.isolation.test_hostile_requests import HOSTILE_BODIES, HOSTILE_VALUES
from tests.metering.ledger_world import ledger_of, make_key, make_tenant
from tests.metering.services.limits.limit_world import put_on_plan, quota_of

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 10, 12, 30, 0, 250_000, tzinfo=UTC)
EVENTS, AUTHORIZE = "/api/v1/events", "/api/v1/authorize"
UUID_PATTERN = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}")
FIELDS = {EVENTS: ("id", "timestamp", "quantity", "subject", "properties"), AUTHORIZE: ("id", "quantity", "record")}
KEYS = ("free", "limited", "used up", "suspended", "test", "reader", "service", "own limits")


@dataclass(frozen=True)
class Sent:
    """One request: which key, and what else."""

    label: str
    path: str
    body: bytes
    key: str = "free"
    method: str = "POST"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Twin:
    """A world of its own: the same tenants and keys as the other's."""

    secrets: Mapping[str, str]
    tenants: Sequence[Any]


class Headers:
    """Headers as granian passes them: lines in lower case, which may repeat."""

    def __init__(self, lines: Sequence[tuple[str, str]]) -> None:
        self._lines = list(lines)

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, key: str, default: Any = None) -> Any:
        return next((value for name, value in self._lines if name == key), default)

    def items(self) -> list[tuple[str, str]]:
        return self._lines


@dataclass
class GranianScope:
    """A request without its body."""

    method: str
    path: str
    query_string: str
    headers: Headers
    scheme: str = "http"
    http_version: str = "1.1"
    client: str = "127.0.0.1:40000"
    server: str = "127.0.0.1:8000"


@dataclass
class Exchange:
    """The body, and the response."""

    body: bytes
    answer: Answer | None = None

    async def __call__(self) -> bytes:
        return self.body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.body

    def response_bytes(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self.answer = status, list(headers), body


class NotedShortWay(ShortWay):
    """Notes which requests it took."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str] = []

    async def respond(self, environ: Environ) -> Answer | None:
        answer = await super().respond(environ)
        if answer is not None:
            self.taken.append(environ["HTTP_X_LABEL"])
        return answer


def make_twin(name: str) -> Twin:
    free, limited, used_up = (make_tenant(f"{name}-{kind}", time_zone="Asia/Kolkata") for kind in ("f", "l", "u"))
    suspended = make_tenant(f"{name}-s", status=TenantStatus.SUSPENDED)
    put_on_plan(limited, NOW, quota_of("100000"), quota_of("1e6", "api_bytes", is_hard=False), throttle=(7, 100000))
    put_on_plan(used_up, NOW, quota_of("3"), throttle=(1, 5))
    write = [Scope.EVENTS_WRITE]
    secrets = {
        "free": make_key(free, scopes=write)[1],
        "limited": make_key(limited, scopes=write)[1],
        "used up": make_key(used_up, scopes=write)[1],
        "suspended": make_key(suspended, scopes=write)[1],
        "test": make_key(free, kind=KeyKind.TEST, scopes=write)[1],
        "reader": make_key(free, scopes=[Scope.USAGE_READ])[1],
        "service": make_key(None, kind=KeyKind.SERVICE, scopes=list(Scope))[1],
        "own limits": make_key(limited, scopes=write, throttle_rate=1, throttle_burst=50, quota=40)[1],
    }
    secrets["token"] = token_for(secrets["free"])
    return Twin(secrets, (free, limited, used_up))


def token_for(secret: str) -> str:
    """Return an access token of a key, which begins at this module's time."""
    principal = find_principal(secret, NOW)
    assert principal is not None
    asked = TokenRequest(str(principal.key_id), secret)
    return issue_access_token(request=asked, address="127.0.0.1", as_of=NOW).text


def event(id_: str, **more: Any) -> bytes:
    return json.dumps({"id": id_, "type": "http_request"} | more).encode()


def corpus() -> Iterator[Sent]:
    """Yield every request, in an order in which the ones before matter."""
    for key in KEYS:
        for turn in range(6):
            yield Sent(f"{key} event {turn}", EVENTS, event(f"{key}-{turn}", quantity=turn), key)
            yield Sent(f"{key} authorize {turn}", AUTHORIZE, event(f"a-{key}-{turn}"), key)
            yield Sent(f"{key} without id {turn}", AUTHORIZE, b'{"type":"http_request"}', key)
            yield Sent(f"{key} ask {turn}", AUTHORIZE, b'{"type":"http_request","record":false}', key)
        yield Sent(f"{key} event again", EVENTS, event(f"{key}-1", quantity=1), key)
        yield Sent(f"{key} event in conflict", EVENTS, event(f"{key}-1", quantity=2), key)
        yield Sent(f"{key} authorize again", AUTHORIZE, event(f"a-{key}-1"), key)
        yield Sent(f"{key} authorize in conflict", AUTHORIZE, event(f"a-{key}-1", quantity=9), key)
        yield Sent(f"{key} too much", AUTHORIZE, event(f"b-{key}", quantity=10**12), key)
    for turn in range(6):
        yield Sent(f"token event {turn}", EVENTS, event(f"token-{turn}"), "token")
        yield Sent(f"token authorize {turn}", AUTHORIZE, event(f"a-token-{turn}"), "token")
    for path in (EVENTS, AUTHORIZE):
        yield from hostile_bodies(path)
        yield from odd_requests(path)
    yield from other_forms()


def other_forms() -> Iterator[Sent]:
    """Yield events in the forms that have no short way, and the faults that are taken for plain JSON."""
    cloud = {"specversion": "1.0", "id": "c", "source": "/gateway", "type": "http_request", "data": {"quantity": 2}}
    one, lines = json.dumps(cloud).encode(), b"%s\n%s\n{" % (event("line"), event("line"))
    for turn in range(2):
        for label, kind, body in (
            ("structured", "application/cloudevents+json", one),
            ("batched", "application/cloudevents-batch+json", b"[%s, 7, %s]" % (one, one)),
            ("no batch", "application/cloudevents-batch+json", b"[]"),
            ("lines", "application/x-ndjson", lines),
            ("text", "text/json", event("text")),
            ("array", "application/json", b"[%s]" % event("array")),
            ("marked", "application/json", b"\xef\xbb\xbf" + event("marked")),
            ("seconds", "application/json", event("seconds", timestamp=1_773_145_800)),
            ("cloud as JSON", "application/json", one),
        ):
            yield Sent(f"{label} {turn}", EVENTS, body, headers={"content-type": kind})
        binary = {"ce-specversion": "1.0", "ce-id": "c", "ce-source": "/gateway", "ce-type": "http_request"}
        yield Sent(f"binary {turn}", EVENTS, b'{"quantity": 2}', headers=binary)
        yield Sent(f"binary in conflict {turn}", EVENTS, b'{"quantity": 3}', headers=binary)
        yield Sent(f"binary of what is an event {turn}", EVENTS, event("c"), headers=binary | {"ce-id": f"d{turn}"})
        yield Sent(f"half a binary {turn}", EVENTS, event("half"), headers={"ce-id": "half"})


def hostile_bodies(path: str) -> Iterator[Sent]:
    for label, body in HOSTILE_BODIES.items():
        yield Sent(f"{path} {label}", path, body)
    for number, value in enumerate(HOSTILE_VALUES):
        for name in FIELDS[path]:
            yield Sent(f"{path} {name} {number}", path, hostile_event(name, value, f"h{number}"), "limited")
        yield Sent(
            f"{path} property {number}", path, hostile_event("properties", f'{{"status": {value}}}', f"p{number}")
        )
    yield Sent(f"{path} twice a member", path, b'{"id":"one","id":"two","type":"http_request"}')
    yield Sent(f"{path} blanks", path, b'\n\t {"id" : "blanks", "type" : "http_request"}\r\n')
    yield Sent(f"{path} unicode", path, event("é\U0001f600\u202e", subject="ß", properties={"path": "\u2028"}))
    yield Sent(f"{path} long", path, event("long", properties={"path": "x" * 4000}))
    yield Sent(f"{path} too long", path, event("too long", properties={"path": "x" * 4096}))
    yield Sent(f"{path} batch", path, b'{"events":[%s,%s]}' % (event("in a batch"), event("in a batch")))
    for instant in (
        "2026-03-10T12:34:59Z",
        "2026-03-10T12:36:00Z",
        "2026-02-10T00:00:00+05:30",
        "2020-01-01T00:00:00Z",
    ):
        yield Sent(f"{path} {instant}", path, event(instant, timestamp=instant), "limited")


def hostile_event(name: str, value: str, id_: str) -> bytes:
    members = {"id": f'"{id_}"', "type": '"http_request"'} | {name: value}
    return ("{" + ",".join(f'"{member}":{text}' for member, text in members.items()) + "}").encode()


def odd_requests(path: str) -> Iterator[Sent]:
    plain = Sent(f"{path} plain", path, event(f"plain {path}"))
    yield plain
    for label, headers in {
        "idempotency key": {"idempotency-key": "k1"},
        "idempotency key again": {"idempotency-key": "k1"},
        "broken idempotency key": {"idempotency-key": "\u0007"},
        "gzip that is none": {"content-encoding": "gzip"},
        "unknown encoding": {"content-encoding": "br"},
        "no type": {"content-type": ""},
        "form": {"content-type": "application/x-www-form-urlencoded"},
        "charset": {"content-type": "application/json; charset=utf-8"},
        "accepts pages": {"accept": "text/html"},
        "accepts anything": {"accept": "*/*"},
        "a cookie": {"cookie": "sessionid=x"},
        "another origin": {"origin": "https://example.com"},
        "other host": {"host": "evil.example.com"},
        "forwarded host": {"x-forwarded-host": "evil.example.com"},
        "over TLS": {"x-forwarded-proto": "https"},
        "a tenant": {"x-tenant": "other"},
        "a broken id of the request": {"x-request-id": "\u0001"},
        "a secret as id": {"x-request-id": "ch_live_" + "a" * 40},
        "two keys": {"x-api-key": "another"},
        "a list of keys": {"x-api-key": "one,two"},
        "no key": {"authorization": ""},
        "a wrong token": {"authorization": f"Bearer eyJ{'a' * 20}.{'b' * 40}.{'c' * 43}"},
        "a wrong key": {"authorization": "Bearer ch_live_nonesuch"},
        "basic": {"authorization": "Basic YTpi"},
        "short": {"content-length": "999"},
        "long headers": {"x-long": "x" * 33_000},
        "override": {"x-http-method-override": "GET"},
        "trace": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    }.items():
        yield replace(plain, label=f"{path} {label}", headers=headers)
    packed = gzip.compress(event(f"packed {path}"))
    yield replace(plain, label=f"{path} gzip", body=packed, headers={"content-encoding": "gzip"})
    yield replace(plain, label=f"{path} chunked", headers={"transfer-encoding": "chunked", "content-length": ""})
    yield replace(plain, label=f"{path} query", query="tenant=x")
    yield replace(plain, label=f"{path} slash", path=f"{path}/")
    for method in ("GET", "PUT", "OPTIONS", "HEAD", "DELETE"):
        yield replace(plain, label=f"{path} {method}", method=method)


@pytest.mark.takes_long("the whole hostile corpus, twice")
def test_the_short_way_says_what_the_long_way_says(settings: Settings) -> None:
    settings.REDIS_URL = ""
    settings.ALLOWED_HOSTS = ["localhost"]
    short_way, twins = NotedShortWay(), (make_twin("one"), make_twin("two"))
    with time_machine.travel(NOW, tick=False):
        differences = asyncio.run(compare(short_way, twins, corpus()))

    assert differences == []
    taken = set(short_way.taken)
    # Which of several is taken depends on what the process remembers at that moment.
    for some in (
        *(f"{key} event" for key in ("free", "limited", "used up", "test", "own limits", "token")),
        "used up authorize",
        "used up ask",
        "limited authorize",
        "limited without id",
    ):
        assert any(f"{some} {turn}" in taken for turn in range(1, 6)), some
    not_ordinary = (
        "idempotency key",
        "gzip",
        "query",
        "wrong key",
        "wrong token",
        "two keys",
        "a cookie",
        "free event in conflict",
    )
    assert [label for label in taken if label.endswith(not_ordinary)] == []
    for one, two in zip(*(twin.tenants for twin in twins), strict=True):
        assert stored_of(one.id) == stored_of(two.id)
        assert reconcile(ledgers=[ledger_of(one)]).is_clean


def test_a_process_that_has_only_refused_refuses_by_the_short_way_and_then_allows_once(settings: Settings) -> None:
    settings.REDIS_URL = ""
    settings.ALLOWED_HOSTS = ["localhost"]
    short_way, twins = NotedShortWay(), (make_twin("one"), make_twin("two"))
    refused = [Sent(f"refused {turn}", AUTHORIZE, event(f"r{turn}", quantity=9), "used up") for turn in range(4)]
    allowed = [Sent(f"allowed {turn}", AUTHORIZE, event(f"a{turn}"), "limited") for turn in range(3)]
    with time_machine.travel(NOW, tick=False):
        differences = asyncio.run(compare(short_way, twins, [*refused, *allowed]))

    assert differences == []
    assert any(label.startswith("refused") for label in short_way.taken)
    for one, two in zip(*(twin.tenants for twin in twins), strict=True):
        assert stored_of(one.id) == stored_of(two.id)
        assert reconcile(ledgers=[ledger_of(one)]).is_clean


async def compare(short_way: ShortWay, twins: Sequence[Twin], requests: Iterable[Sent]) -> list[str]:
    """Send each request to both servers, and return those whose responses differ."""
    pools = [Pools(api=pool(name), pages=pool(f"{name} pages")) for name in ("short", "long")]
    patience = Patience(10, 32_768)
    with_it = Application(wsgi_application, pools[0], patience, short_way)
    without = Application(wsgi_application, pools[1], patience)
    short_way.start()
    differences = []
    for sent in requests:
        request_id = uuid4().hex
        told = [await told_by(app, sent, twin, request_id) for app, twin in zip((with_it, without), twins, strict=True)]
        if told[0] != told[1]:
            differences.append(f"{sent.label}: {told[0]} instead of {told[1]}")
    await short_way.close()
    for one in pools:
        await one.api.run(close_connection)
        one.close()
    return differences


def close_connection() -> None:
    """Close the thread's own."""
    connection.close()


def pool(name: str) -> Pool:
    return Pool(name, threads=1, waiting_max=10)


async def told_by(app: Application, sent: Sent, twin: Twin, request_id: str) -> object:
    own = {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": str(len(sent.body)),
        "authorization": f"Bearer {twin.secrets[sent.key]}",
        "x-request-id": request_id,
        "x-label": sent.label,
    }
    lines = [(name, value) for name, value in (own | dict(sent.headers)).items() if value]
    exchange = Exchange(sent.body)
    await app.__rsgi__(GranianScope(sent.method, sent.path, sent.query, Headers(lines)), exchange)
    assert exchange.answer is not None
    status, headers, body = exchange.answer
    nameless = partial(UUID_PATTERN.sub, b"<id>")
    shown = sorted((name.lower(), nameless(value.encode())) for name, value in headers)
    return status, shown, nameless(body)


def stored_of(tenant_id: Any) -> list[tuple[Any, ...]]:
    """Return what the ledger holds of a tenant, without the ids that were made."""
    hashes = EventIdentity.objects.filter(tenant_id=tenant_id).values_list("is_live", "content_hash")
    events = Event.objects.filter(tenant_id=tenant_id).values_list("is_live", "event_id", "type", "quantity", "subject")
    kept = [row for row in events if not UUID_PATTERN.fullmatch(row[1].encode())]
    return [*sorted((live, bytes(digest)) for live, digest in hashes), *sorted(kept, key=repr), (len(events),)]


def test_a_pooler_or_a_setting_sends_all_requests_the_long_way(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert has_short_way()
    settings.SHORT_WAY = False
    assert not has_short_way()
    settings.SHORT_WAY = True
    monkeypatch.setitem(settings.DATABASES["default"], "DISABLE_SERVER_SIDE_CURSORS", True)
    assert not has_short_way()
