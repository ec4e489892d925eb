"""One URL is enough to begin with. Two keep the owner's login from the processes that serve requests."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment
from config.operations.database_logins import DatabaseLogins, database_logins

SECRET = "s" * 50
OWNER = "postgres://owner:hidden@db:5432/money"


def logins(**variables: str) -> DatabaseLogins:
    return database_logins(Environment(variables), embedded=None, secret_key=SECRET)


def test_the_owners_database_url_alone_is_enough() -> None:
    read = logins(DATABASE_URL=OWNER)
    assert read.owner is not None
    assert (read.owner["USER"], read.owner["PASSWORD"]) == ("owner", "hidden")
    assert read.role == read.application["USER"] == "money_app"
    assert {name: read.application[name] for name in ("HOST", "PORT", "NAME")} == {
        "HOST": "db",
        "PORT": 5432,
        "NAME": "money",
    }


def test_the_derived_password_needs_the_signing_secret() -> None:
    first = logins(DATABASE_URL=OWNER).application["PASSWORD"]
    assert first == logins(DATABASE_URL=OWNER).application["PASSWORD"]
    other = database_logins(Environment({"DATABASE_URL": OWNER}), embedded=None, secret_key="t" * 50)
    assert other.application["PASSWORD"] != first
    assert len(str(first)) == 64
    assert str(first) not in repr(logins(DATABASE_URL=OWNER))


def test_two_database_urls_are_used_unchanged() -> None:
    read = logins(DATABASE_URL="postgres://clerk:own@pooler:6432/money", DATABASE_OWNER_URL=OWNER)
    assert read.owner is not None
    assert (read.role, read.application["PASSWORD"], read.application["HOST"]) == ("clerk", "own", "pooler")
    assert (read.owner["USER"], read.owner["HOST"]) == ("owner", "db")


@pytest.mark.parametrize("role", ["", "clerk"])
def test_serving_processes_need_not_know_the_owners_login(role: str) -> None:
    user = role or "money_app"
    read = logins(DATABASE_URL=f"postgres://{user}:own@db/money", DATABASE_ROLE=role)
    assert read.owner is None
    assert (read.role, read.application["PASSWORD"]) == (user, "own")


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": OWNER, "DATABASE_OWNER_URL": OWNER},
        {"DATABASE_URL": "postgres://clerk@db/money", "DATABASE_OWNER_URL": OWNER, "DATABASE_ROLE": "money_app"},
    ],
)
def test_two_contradictory_database_urls_are_refused(variables: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="must log in as the application's own role"):
        logins(**variables)


def test_the_embedded_database_is_its_owners() -> None:
    embedded = {"NAME": "countinghouse", "USER": "postgres", "PASSWORD": "", "HOST": "/run", "PORT": "5432"}
    read = database_logins(Environment({}), embedded=embedded, secret_key=SECRET)
    assert (read.role, read.owner) == ("countinghouse_app", embedded)
