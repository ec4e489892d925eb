"""What the environment says, read as it is meant."""

import pytest

from config.environment import Environment


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgres://me:a%40b@%2Fvar%2FRun%2Fpostgresql:5433/books", "/var/Run/postgresql", "5433"),
        ("postgres://me:a%40b@%2frun/books", "/run", ""),
        ("postgres://me:a%40b@db.example.com:5432/books", "db.example.com", 5432),
    ],
)
def test_a_database_is_reached_by_name_or_by_the_directory_of_its_socket(url: str, host: str, port: object) -> None:
    found = Environment({"DATABASE_URL": url}).database("DATABASE_URL")

    assert (found["HOST"], found["PORT"], found["NAME"], found["PASSWORD"]) == (host, port, "books", "a@b")
