"""What attackers can do who run their own SQL on the application's connection: not take another role."""

import psycopg
import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction

from tests.databases import owner_name, owner_url

pytestmark = pytest.mark.django_db


def session() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user, current_user")
        user, role = cursor.fetchone()
        return str(user), str(role)


@pytest.mark.parametrize("way_back", ["RESET ROLE", "SET ROLE NONE", "RESET SESSION AUTHORIZATION", "RESET ALL"])
def test_the_applications_connection_has_no_role_to_return_to(way_back: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(way_back)
    assert session() == (settings.DATABASE_ROLE, settings.DATABASE_ROLE)


@pytest.mark.parametrize(
    "statement", ["SET ROLE {owner}", "SET SESSION AUTHORIZATION {owner}", "GRANT {owner} TO {me}"]
)
def test_the_application_cannot_become_the_owner(statement: str) -> None:
    names = {"owner": owner_name(), "me": settings.DATABASE_ROLE}
    with (
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match=r"permission denied|must have admin option|must be superuser"),
        transaction.atomic(),
    ):
        cursor.execute(statement.format(**names))
    assert session() == (settings.DATABASE_ROLE, settings.DATABASE_ROLE)


def test_the_applications_role_has_only_its_grants() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False,) * 6
        cursor.execute("SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
        assert cursor.fetchone() == (0,)


def test_control_an_owners_login_with_a_role_can_return_to_the_owner() -> None:
    # The control: as the application connected before, by the owner's login with a role taken on.
    options = f"-c role={settings.DATABASE_ROLE}"
    with psycopg.connect(owner_url(), options=options, autocommit=True, connect_timeout=10) as server:
        assert server.execute("SELECT current_user").fetchone() == (settings.DATABASE_ROLE,)
        server.execute("SET ROLE NONE")
        assert server.execute("SELECT current_user").fetchone() == (owner_name(),)
