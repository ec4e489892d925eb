"""The cast: Alice owns Acme, Bob develops there, Vera only looks; Charlie owns Globex and must see nothing of Acme."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.roles import Role
from accounts.domain.scopes import SCOPES_FOR_TENANT_KEYS, Scope
from accounts.keys.services.api_keys import CreatedKey, KeyTerms, create_api_key
from accounts.models import Membership, Tenant, User
from accounts.selectors.api_keys import forget_keys
from accounts.selectors.tenants import forget_tenant
from accounts.services.tenants import open_tenant
from accounts.tracing import use_tracer

PASSWORD = "correct horse battery staple"
SYSTEM = Actor.system("test")


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Forget what the process remembers of another test's database."""
    forget_keys()
    for slug in ("acme", "globex"):
        forget_tenant(slug)


@pytest.fixture
def clean_cache(db: None) -> None:
    """Clear the shared cache, which counts sign-in attempts across tests too."""
    cache.clear()


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def make_user(
    email: str, *, name: str = "", is_staff: bool = False, is_superuser: bool = False, password: str | None = None
) -> User:
    """Create a user with a verified address. Hashing a password takes long, so most users have none."""
    user = User.objects.create_user(email, password, name=name, is_staff=is_staff, is_superuser=is_superuser)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def join(tenant: Tenant, user: User, role: Role, as_of: datetime) -> Membership:
    return Membership.objects.create(tenant=tenant, user=user, role=role, created_at=as_of)


def member(user: User, role: Role | None = None) -> Actor:
    return Actor.member(user_id=user.pk, label=user.email, role=role, ip="192.0.2.7", request_id="r-1")


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice@example.com", name="Alice Jones")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob@example.com")


@pytest.fixture
def vera(db: None) -> User:
    return make_user("vera@example.com")


@pytest.fixture
def charlie(db: None) -> User:
    return make_user("charlie@example.org")


@pytest.fixture
def acme(alice: User, bob: User, vera: User, now: datetime) -> Tenant:
    tenant = open_tenant(name="Acme", owner=alice, actor=member(alice), as_of=now)
    join(tenant, bob, Role.DEVELOPER, now)
    join(tenant, vera, Role.VIEWER, now)
    return tenant


@pytest.fixture
def globex(charlie: User, now: datetime) -> Tenant:
    return open_tenant(name="Globex", owner=charlie, actor=member(charlie), as_of=now)


@dataclass
class Api:
    """A client of the API with one key."""

    secret: str
    client: Client = field(default_factory=Client)

    def call(
        self, method: str, path: str, body: object = None, *, raw: bytes | None = None, **extra: Any
    ) -> HttpResponse:
        headers = {"Authorization": f"Bearer {self.secret}"} | extra.pop("headers", {})
        content_type = extra.pop("content_type", "application/json")
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        return self.client.generic(  # type: ignore[return-value] # the test client's own subclass
            method, f"/api/v1{path}", data, content_type, headers=headers, **extra
        )

    def get(self, path: str, **extra: Any) -> HttpResponse:
        return self.call("GET", path, **extra)

    def post(self, path: str, body: object = None, **extra: Any) -> HttpResponse:
        return self.call("POST", path, body, **extra)

    def delete(self, path: str, **extra: Any) -> HttpResponse:
        return self.call("DELETE", path, **extra)


def body_of(response: HttpResponse) -> Any:
    return json.loads(response.content)


def problem_of(response: HttpResponse, status: int) -> Any:
    """Return the problem document of the response. Fail if a member that every problem has is missing."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = body_of(response)
    assert problem["status"] == status
    assert problem["request_id"] == response["X-Request-ID"]
    assert {"type", "title", "detail", "instance", "code"} <= problem.keys()
    return problem


KeyMaker = Callable[..., CreatedKey]


@pytest.fixture
def make_key(now: datetime) -> KeyMaker:
    def make(tenant: Tenant | None, kind: KeyKind = KeyKind.LIVE, **terms: Any) -> CreatedKey:
        scopes = [Scope.OPERATOR, *SCOPES_FOR_TENANT_KEYS] if tenant is None else SCOPES_FOR_TENANT_KEYS
        who = {name: terms.pop(name) for name in ("actor", "as_of", "granted_by") if name in terms}
        named = {"actor": SYSTEM, "as_of": now} | who
        asked = KeyTerms(**{"name": "Backend", "scopes": scopes} | terms)
        return create_api_key(tenant=tenant, kind=KeyKind.SERVICE if tenant is None else kind, terms=asked, **named)

    return make


@pytest.fixture
def acme_key(acme: Tenant, make_key: KeyMaker) -> CreatedKey:
    return make_key(acme)


@pytest.fixture
def api(acme_key: CreatedKey) -> Api:
    return Api(acme_key.secret)


@pytest.fixture
def globex_api(globex: Tenant, make_key: KeyMaker) -> Api:
    return Api(make_key(globex).secret)


@pytest.fixture
def service_api(make_key: KeyMaker, db: None) -> Api:
    return Api(make_key(None).secret)


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Keep the spans that this process creates."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use_tracer(provider.get_tracer("tests"))
    yield exporter
    use_tracer(None)
    provider.shutdown()
