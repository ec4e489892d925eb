"""The application's role is created so that it can log in and do no more. Otherwise nothing is migrated."""

from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from config.operations.database_roles import acting_as_owner, ensure_role
from tests.databases import owner_name, owner_url

ROLE = "countinghouse_test_clerk"


@pytest.fixture
def clerk(settings: Settings) -> Iterator[str]:
    """Create another application's role, and drop it at the end."""
    settings.DATABASE_LOGIN = {**settings.DATABASE_LOGIN, "USER": ROLE, "PASSWORD": "first"}
    yield ROLE
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as owner:
        owner.execute(f"DROP ROLE IF EXISTS {ROLE}")


def verifier() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [ROLE])
        return str(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.as_owner
def test_the_role_is_created_once_and_can_log_in(clerk: str) -> None:
    ensure_role(connection)
    first = verifier()
    assert first.startswith("SCRAM-SHA-256$"), "no log of statements has the password"
    ensure_role(connection)
    assert verifier() == first
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {clerk} NOLOGIN")  # as earlier versions created it
    ensure_role(connection)
    with psycopg.connect(owner_url(), user=clerk, password="first", connect_timeout=10) as server:
        assert server.execute("SELECT session_user, current_user").fetchone() == (clerk, clerk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.as_owner
@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ("ALTER ROLE {} SUPERUSER", "is a superuser"),
        ("ALTER ROLE {} BYPASSRLS", "bypasses row-level security"),
        ("ALTER ROLE {} CREATEROLE", "may create roles"),
        ("GRANT pg_read_all_data TO {}", "is a member of another role"),
    ],
)
def test_a_role_that_may_do_more_is_refused(clerk: str, grant: str, said: str) -> None:
    ensure_role(connection)
    with connection.cursor() as cursor:
        cursor.execute(grant.format(clerk))
    with pytest.raises(ImproperlyConfigured, match=said):
        ensure_role(connection)


@pytest.mark.django_db(transaction=True)
@pytest.mark.as_owner
def test_a_role_that_owns_tables_is_refused(settings: Settings) -> None:
    settings.DATABASE_LOGIN = settings.DATABASE_OWNER
    with pytest.raises(ImproperlyConfigured, match="owns tables"):
        ensure_role(connection)


@pytest.mark.django_db(transaction=True)
@pytest.mark.as_owner
def test_an_owner_who_may_not_create_roles_reads_what_to_do(clerk: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {settings.DATABASE_ROLE}")
    with pytest.raises(ImproperlyConfigured, match=f"run CREATE ROLE {clerk} LOGIN"):
        ensure_role(connection)
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_the_owners_login_is_used_for_a_block_and_dropped() -> None:
    with acting_as_owner(connection), connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        assert cursor.fetchone() == (owner_name(),)
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        assert cursor.fetchone() == (settings.DATABASE_ROLE,)


@pytest.mark.django_db(transaction=True)
def test_without_the_owners_login_nothing_is_migrated(settings: Settings) -> None:
    settings.DATABASE_OWNER = None
    with pytest.raises(ImproperlyConfigured, match="set DATABASE_OWNER_URL for this command"):
        call_command("migrate", verbosity=0, interactive=False)
