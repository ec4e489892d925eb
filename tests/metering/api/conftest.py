"""Alice's tenant is Acme; Charlie's is Globex, which must see nothing of Acme's."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import SCOPES_FOR_TENANT_KEYS, Scope
from accounts.models import ApiKey, Tenant
from accounts.selectors.api_keys import forget_keys
from accounts.selectors.tenants import forget_tenant
from metering.domain.ledger import Ledger
from metering.selectors.catalog import forget_catalog
from metering.selectors.limits import forget_limits
from metering.services.partitions import forget_seen_partitions
from tests.metering.ledger_world import ledger_of, make_key, make_tenant


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Forget what the process remembers of another test's database."""
    for forget in (forget_catalog, forget_seen_partitions, forget_keys, forget_limits):
        forget()
    for slug in ("acme", "globex"):
        forget_tenant(slug)


@dataclass(frozen=True)
class Api:
    """A client of the API with one key."""

    secret: str
    key: ApiKey

    def headers(self, more: dict[str, str] | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"} | (more or {})

    def post(
        self,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        content_type: str = "application/json",
        **headers: str,
    ) -> HttpResponse:
        data = json.dumps(body).encode() if raw is None else raw
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client().post(f"/api/v1{path}", data=data, content_type=content_type, headers=self.headers(named))  # type: ignore[return-value]  # the test client's own subclass

    def patch(self, path: str, body: object) -> HttpResponse:
        data = json.dumps(body).encode()
        return Client().patch(f"/api/v1{path}", data=data, content_type="application/json", headers=self.headers())  # type: ignore[return-value]  # as above

    def delete(self, path: str) -> HttpResponse:
        return Client().delete(f"/api/v1{path}", headers=self.headers())  # type: ignore[return-value]  # as above

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client().get(f"/api/v1{path}", query, headers=self.headers(named))  # type: ignore[return-value]  # as above


def body_of(response: HttpResponse) -> Any:
    return json.loads(response.content)


def problem_of(response: HttpResponse, status: int) -> Any:
    """Return the problem document of the response. Fail if it is none."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = body_of(response)
    assert problem["status"] == status
    assert {"type", "title", "detail", "instance", "code"} <= problem.keys()
    return problem


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def acme(db: None) -> Tenant:
    return make_tenant("acme", time_zone="Asia/Kolkata")


@pytest.fixture
def globex(db: None) -> Tenant:
    return make_tenant("globex")


@pytest.fixture
def acme_ledger(acme: Tenant) -> Ledger:
    return ledger_of(acme)


@pytest.fixture
def alice(acme: Tenant) -> Api:
    key, secret = make_key(acme, scopes=SCOPES_FOR_TENANT_KEYS)
    return Api(secret, key)


@pytest.fixture
def charlie(globex: Tenant) -> Api:
    key, secret = make_key(globex, scopes=SCOPES_FOR_TENANT_KEYS)
    return Api(secret, key)


@pytest.fixture
def gateway(db: None) -> Api:
    """Create a service key of the operator."""
    key, secret = make_key(None, kind=KeyKind.SERVICE, scopes=list(Scope))
    return Api(secret, key)
