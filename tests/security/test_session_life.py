"""An open session ends by itself, without a write for each request. Programs have no session."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import SCOPES_FOR_TENANT_KEYS
from accounts.keys.services.api_keys import KeyTerms, create_api_key
from accounts.models import AuditEntry, Tenant, User
from accounts.services.tenants import open_tenant
from tests.security.conftest import entered

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 3, 10, 12, 30, tzinfo=UTC), tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def acme(dora: User, clock: time_machine.Traveller) -> Tenant:
    return open_tenant(name="Acme", owner=dora, actor=Actor.system("test"), as_of=timezone.now())


def test_staff_are_signed_out_after_half_an_hour_with_a_message(robin: User, clock: time_machine.Traveller) -> None:
    client = entered(robin)
    assert client.get("/admin/").status_code == 200
    clock.shift(29 * MINUTE)
    assert client.get("/admin/").status_code == 200
    clock.shift(30 * MINUTE)
    assert urlsplit(client.get("/admin/").url).path == "/admin/login/"
    assert "because of inactivity" in client.get("/accounts/login/?next=/admin/").text
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.after, entry.actor_user) == ("account.session_ended", {"reason": "idle"}, robin)


def test_no_activity_extends_a_staff_session_beyond_a_working_day(robin: User, clock: time_machine.Traveller) -> None:
    client = entered(robin)
    for _ in range(12 * 2):
        assert client.get("/admin/jsi18n/").status_code == 200
        clock.shift(29 * MINUTE)
    assert client.get("/admin/").status_code == 200
    clock.shift(24 * MINUTE)
    assert client.get("/admin/").status_code == 302
    assert AuditEntry.objects.get().after == {"reason": "lifetime"}


def test_a_customers_session_lasts_a_working_day(dora: User, acme: Tenant, clock: time_machine.Traveller) -> None:
    client = entered(dora)
    assert client.get("/t/acme/").status_code == 200
    clock.shift(479 * MINUTE)
    assert client.get("/t/acme/").status_code == 200
    clock.shift(480 * MINUTE)
    assert client.get("/t/acme/").status_code == 302


def test_the_operators_calls_end_with_the_session(robin: User, clock: time_machine.Traveller) -> None:
    client = entered(robin)
    assert client.get("/api/v1/operator/tenants").status_code == 200
    clock.shift(30 * MINUTE)
    assert client.get("/api/v1/operator/tenants").status_code == 401


def test_a_page_that_polls_by_itself_is_no_activity(dora: User, acme: Tenant, clock: time_machine.Traveller) -> None:
    client = entered(dora)
    client.get("/t/acme/")
    for _ in range(3):
        clock.shift(160 * MINUTE)
        answer = client.get("/t/acme/events/", headers={"HX-Request": "true"})
    assert answer.status_code == 302


def writes(client: Client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    verbs = ("INSERT", "UPDATE", "DELETE")
    return [query["sql"] for query in captured.captured_queries if query["sql"].startswith(verbs)]


def test_a_request_writes_no_session_within_a_minute(dora: User, acme: Tenant, clock: time_machine.Traveller) -> None:
    client = entered(dora)
    client.get("/t/acme/")
    clock.shift(timedelta(seconds=59))
    assert writes(client, "/t/acme/") == []
    clock.shift(timedelta(seconds=1))
    assert len(writes(client, "/t/acme/")) == 2  # the session, and its row in the list of sessions
    assert UserSession.objects.get(user=dora).last_seen_at == timezone.now()


def test_a_key_needs_no_session(dora: User, acme: Tenant, clock: time_machine.Traveller) -> None:
    actor = Actor.system("test")
    terms = KeyTerms(name="Gateway", scopes=SCOPES_FOR_TENANT_KEYS)
    key = create_api_key(tenant=acme, kind=KeyKind.LIVE, terms=terms, actor=actor, as_of=timezone.now())
    client = entered(dora)
    client.get("/t/acme/")
    clock.shift(timedelta(days=30))
    with CaptureQueriesContext(connection) as captured:
        answer = client.get("/api/v1/usage/monthly", headers={"Authorization": f"Bearer {key.secret}"})
    assert answer.status_code == 200
    assert not [query for query in captured.captured_queries if "session" in query["sql"]]
