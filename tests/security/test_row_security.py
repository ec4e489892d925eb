"""P15's second wall: with every scope of a query removed, PostgreSQL itself shows nothing of another tenant."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connection, models, transaction
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from accounts import sql as statements
from accounts.domain.reach import NOTHING, Reach, WayIn, reaching, way_in
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, Tenant
from billing.models import Invoice, InvoiceLine
from config.operations.row_security import COPIES_OF_NOBODY, UNPROTECTED, wanted_policies
from metering.models import Event, EventIdentity, UsageHour
from tests.isolation.routes import Room, routes_of
from tests.isolation.test_every_route import call_api, nothing_remembered, queries_for, visit
from tests.isolation.world import Estate, make_estate
from tests.metering.ledger_world import ledger_of, send
from tests.shared_world import shared_world

__all__ = ["nothing_remembered"]

pytestmark = pytest.mark.django_db

# What scopes a query, as Django writes it and as our own statements do.
SCOPE_OF_DJANGO: Final = re.compile(r'"\w+"\."tenant_id" (?:= %s|IN \((?:%s(?:, )?)+\))')
SCOPE_OF_OURS: Final = re.compile(r"(?:\w+\.)?tenant_id = %\(tenant_id\)s(?:::uuid)?")


@pytest.fixture(scope="module")
def estates(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Estate]]:
    yield from shared_world(django_db_blocker, lambda: {slug: make_estate(slug) for slug in ("acme", "rival")})


@pytest.fixture
def acme(estates: dict[str, Estate]) -> Estate:
    return estates["acme"]


@pytest.fixture
def rival(estates: dict[str, Estate]) -> Estate:
    return estates["rival"]


@contextmanager
def scopes_removed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace every condition on the tenant by a true one, in each statement that is sent."""
    number = statements._numbered

    def send_wide(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        wide = SCOPE_OF_DJANGO.sub(r"(\g<0> OR true)", sql) if isinstance(sql, str) else sql
        return execute(wide, params, many, context)

    with monkeypatch.context() as patch, connection.execute_wrapper(send_wide):
        patch.setattr(statements, "_numbered", lambda text: number(SCOPE_OF_OURS.sub(r"(\g<0> OR true)", text)))
        yield


def shown_of(target: Estate, *, to: Estate) -> set[str]:
    """Return the paths that show something of the target to another tenant's key and to its member."""
    shown = set()
    client = to.client()
    for route in routes_of(Room.OWN_TENANT, Room.TENANT_OBJECT):
        if "GET" in route.methods:
            for query in queries_for(target, "GET"):
                response = call_api(route, "GET", caller=to, target=target, query=query)
                assert response.status_code < 500, (route.path, response.status_code)
                if response.shows(target):
                    shown.add(route.path)
    for route in routes_of(Room.TENANT_PAGE):
        response = visit(client, route, "GET", slug=to.tenant.slug, target=target)
        assert response.status_code < 500, (route.path, response.status_code)
        if response.shows(target):
            shown.add(route.path)
    return shown


@pytest.mark.takes_long("every call and page, twice as slow without its scopes")
def test_no_query_shows_another_tenants_rows_with_its_scope_removed(
    acme: Estate, rival: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scopes_removed(monkeypatch):
        assert shown_of(acme, to=rival) == set()


# Every table


def owned_models() -> set[type[models.Model]]:
    """Return the models that name a tenant, or a row of one that does, whatever their tables are called."""
    every = [model for model in apps.get_models() if not model._meta.proxy]
    owned = {Tenant} | {model for model in every if "tenant_id" in {field.attname for field in model._meta.fields}}
    while True:
        found = {
            model
            for model in set(every) - owned
            if any(field.related_model in owned for field in model._meta.fields if field.is_relation)
        }
        if not found:
            return owned
        owned |= found


def test_every_table_of_a_tenant_is_protected() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
        forced = {name for (name,) in cursor.fetchall()}
        cursor.execute("SELECT tablename FROM pg_policies WHERE schemaname = 'public'")
        with_policy = {name for (name,) in cursor.fetchall()}
        cursor.execute(
            "SELECT c.relname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
            " WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND c.relnamespace = 'public'::regnamespace"
        )
        named = {name for (name,) in cursor.fetchall()}
        owned = named | {model._meta.db_table for model in owned_models()} - COPIES_OF_NOBODY
        assert {"event", "limit_bucket", "billing_invoiceline", "accounts_membership"} <= owned
        assert owned - with_policy - UNPROTECTED.keys() == set()
        assert with_policy - forced == set()
        assert with_policy == wanted_policies(cursor).keys()


def test_every_partition_is_protected_by_itself(acme: Estate) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_ensure_event_partition('2043-05-01')")
        cursor.execute(
            "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class"
            " WHERE relispartition AND relkind = 'r' AND relname LIKE 'event!_%' ESCAPE '!'"
        )
        closed = dict(cursor.fetchall())
    assert "event_2043_05" in closed
    assert set(closed.values()) == {True}


# What each reach sees

SEEN: Final[Mapping[type[models.Model], str]] = {
    Tenant: "pk",
    Membership: "tenant_id",
    Invitation: "tenant_id",
    ApiKey: "tenant_id",
    AuditEntry: "tenant_id",
    Invoice: "tenant_id",
    InvoiceLine: "invoice__tenant_id",
    Event: "tenant_id",
    EventIdentity: "tenant_id",
    UsageHour: "tenant_id",
}


def seen() -> dict[type[models.Model], set[UUID]]:
    """Return whose rows are visible, without the rows of no tenant."""
    return {
        model: set(model._default_manager.values_list(column, flat=True)) - {None} for model, column in SEEN.items()
    }


def test_without_a_reach_no_rows_are_visible(acme: Estate) -> None:
    with reaching(NOTHING):
        assert not any(seen().values())


def test_a_tenants_reach_sees_its_rows_and_no_others(acme: Estate, rival: Estate) -> None:
    for estate in (acme, rival):
        with reaching(Reach(estate.tenant.pk)):
            assert seen() == {model: {estate.tenant.pk} for model in SEEN}
    with reaching(Reach(uuid4())):
        assert not any(seen().values())


@pytest.mark.parametrize("way", [WayIn.STAFF, WayIn.JOBS])
def test_staff_and_jobs_see_all_rows(acme: Estate, rival: Estate, way: WayIn) -> None:
    with way_in(way):
        assert seen() == {model: {acme.tenant.pk, rival.tenant.pk} for model in SEEN}


def test_signing_in_sees_memberships_and_nothing_else(acme: Estate, rival: Estate) -> None:
    with way_in(WayIn.SIGN_IN):
        assert {model for model, found in seen().items() if found} == {Tenant, Membership, Invitation, ApiKey}


def test_ingest_adds_to_every_ledger_and_reads_no_event(acme: Estate, rival: Estate) -> None:
    with way_in(WayIn.INGEST):
        for estate in (acme, rival):
            send(ledger_of(estate.tenant), [{"id": "new", "type": "http_request"}], as_of=timezone.now())
        assert {model for model, found in seen().items() if found} == {EventIdentity, UsageHour}
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            send_back_what_is_stored(acme)


def send_back_what_is_stored(estate: Estate) -> None:
    """Store an event and return it by RETURNING, which is reading it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event"
            " (tenant_id, is_live, occurred_at, key, id, source, type, quantity, properties, received_at)"
            " SELECT %s, true, %s, decode(md5('x'), 'hex'), 'x', '', 'http_request', 1, '{}', now() RETURNING id",
            [estate.tenant.pk, timezone.now()],
        )


def test_a_providers_delivery_sees_nothing_of_a_tenant(acme: Estate) -> None:
    with way_in(WayIn.PROVIDER):
        assert not any(seen().values())


def test_a_written_row_must_belong_to_the_tenant_in_reach(acme: Estate, rival: Estate) -> None:
    entry = {"actor_kind": "system", "action": "tested", "occurred_at": timezone.now()}
    with reaching(Reach(rival.tenant.pk)):
        AuditEntry.objects.create(tenant=rival.tenant, **entry)
        with pytest.raises(ProgrammingError, match="violates row-level security"), transaction.atomic():
            AuditEntry.objects.create(tenant=acme.tenant, **entry)
        assert Tenant.objects.filter(pk=acme.tenant.pk).update(name="Taken") == 0
        with pytest.raises(ProgrammingError, match="violates row-level security"), transaction.atomic():
            Membership.objects.filter(pk=rival.membership.pk).update(tenant_id=acme.tenant.pk)


# A way out


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE accounts_tenant DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE accounts_tenant NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY reach ON accounts_tenant",
        "CREATE POLICY mine ON accounts_tenant USING (true)",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "TRUNCATE accounts_membership",
    ],
)
def test_row_security_cannot_be_left_from_inside(statement: str) -> None:
    with (
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match=r"must be owner|permission denied|must be superuser"),
        transaction.atomic(),
    ):
        cursor.execute(statement)


def test_row_security_cannot_be_switched_off(acme: Estate) -> None:
    with reaching(NOTHING), connection.cursor() as cursor:
        cursor.execute("SET row_security = off")
        with pytest.raises(ProgrammingError, match="would be affected by row-level security"), transaction.atomic():
            cursor.execute("SELECT * FROM accounts_tenant")


def test_a_second_tenant_under_the_same_key_is_still_refused(acme: Estate, rival: Estate) -> None:
    # Constraints see all rows, whoever writes: a slug that is taken stays taken.
    with way_in(WayIn.SIGN_IN), pytest.raises(IntegrityError, match="slug"), transaction.atomic():
        Tenant.objects.create(id=uuid4(), slug="acme", name="Another", created_at=timezone.now())
