"""A store that is down is a 503 with `Retry-After`, never a 500; the first request after it is back works."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from django.conf import settings
from django.db import Error, connection
from django.test.utils import CaptureQueriesContext

from accounts.api.authentication import StaffSessionAuthentication
from accounts.api.outages import is_outage
from accounts.selectors.api_keys import forget_keys
from config.middleware import PATHS_OF_STAFF, PATHS_WITHOUT_SESSION
from metering.selectors.catalog import forget_catalog
from metering.selectors.limits import forget_limits
from tests.isolation.routes import every_route
from tests.isolation.world import Estate, make_estate
from tests.security.caller import Answer, Sent, ask

EVENT = b'{"id":"a","type":"http_request"}'
UNAVAILABLE, OK, CREATED = 503, 200, 201
OUTAGES = (
    "08006", "25006", "25P03", "40001", "40P01", "53100", "53200", "53300", "55P03", "57014", "57P01", "57P02", "57P03",
    "58030",
)  # fmt: skip


@pytest.fixture
def estate(transactional_db: None) -> Iterator[Estate]:
    yield make_estate("acme")
    connection.close()


@pytest.fixture
def cookie(estate: Estate) -> dict[str, str]:
    session = estate.client().cookies[settings.SESSION_COOKIE_NAME].value
    return {"HTTP_COOKIE": f"{settings.SESSION_COOKIE_NAME}={session}"}


def event_of(estate: Estate, **headers: str) -> Sent:
    key = {"HTTP_AUTHORIZATION": f"Bearer {estate.key.secret}"}
    return Sent("POST", "/api/v1/events", EVENT, headers=key | headers)


def fresh(sent: Sent) -> Answer:
    """Send a request in a process that remembers nothing."""
    forget_keys()
    forget_catalog()
    forget_limits()
    return ask(sent)


def assert_is_page(answer: Answer) -> None:
    assert (answer.status, answer.headers["Retry-After"]) == (UNAVAILABLE, "5")
    assert b"We will be back in a moment" in answer.body
    assert answer.headers["X-Request-ID"].encode() in answer.body


def assert_is_problem(answer: Answer) -> None:
    assert answer.status == UNAVAILABLE, answer
    assert json.loads(answer.body)["code"] == "store_unavailable"
    assert int(answer.headers["Retry-After"]) >= 1


@contextmanager
def connected_with(**changes: object) -> Iterator[None]:
    """Set Django's connection to other parameters for a while."""
    before = {name: connection.settings_dict[name] for name in changes}
    connection.close()
    connection.settings_dict.update(changes)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def with_option(option: str) -> dict[str, object]:
    options = connection.settings_dict["OPTIONS"]
    return {"OPTIONS": options | {"options": f"{options.get('options', '')} -c {option}"}}


@contextmanager
def as_superuser() -> Iterator[psycopg.Connection]:
    """Open another connection to the test's database, with every right."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(os.environ["DATABASE_URL"], dbname=name, connect_timeout=30) as other:
        yield other


def test_without_postgresql_each_response_is_a_503(estate: Estate, cookie: dict[str, str]) -> None:
    with connected_with(HOST="/nowhere"):
        for path in ("/t/acme/", "/admin/", "/start/", "/accounts/email/"):
            assert_is_page(fresh(Sent("GET", path, headers=cookie)))
        assert_is_page(fresh(Sent("GET", "/pricing/")))
        assert_is_problem(fresh(event_of(estate)))
        assert_is_problem(fresh(event_of(estate, **cookie)))
        assert_is_problem(fresh(Sent("GET", "/api/v1/operator/tenants", headers=cookie)))
        assert fresh(Sent("GET", "/readyz", headers=cookie)).status == UNAVAILABLE
        figures = fresh(Sent("GET", "/metrics", headers=cookie))

    assert (figures.status, fresh(event_of(estate)).status) == (OK, CREATED)
    assert b'countinghouse_store_up{store="database"} 0' in figures.body
    assert b'countinghouse_store_up{store="database"} 1' in ask(Sent("GET", "/metrics")).body


def test_the_first_request_after_a_restart_of_postgresql_works(estate: Estate, cookie: dict[str, str]) -> None:
    page = Sent("GET", "/t/acme/", headers=cookie)
    for sent, status in ((event_of(estate), CREATED), (page, OK)):
        fresh(sent)
        with as_superuser() as other:
            pid = connection.connection.info.backend_pid
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        answer = fresh(replace(sent, body=sent.body.replace(b'"a"', b'"b"')))

        assert answer.status == status
        assert connection.connection.info.backend_pid != pid


def test_a_live_connection_is_kept_without_a_query(estate: Estate) -> None:
    fresh(event_of(estate))
    pid = connection.connection.info.backend_pid
    with CaptureQueriesContext(connection) as queries:
        ask(event_of(estate))

    assert connection.connection.info.backend_pid == pid
    assert [query["sql"] for query in queries if "SELECT 1" in query["sql"]] == []


def test_a_standby_that_takes_no_writes_is_a_503(estate: Estate, cookie: dict[str, str]) -> None:
    csrf = "x" * 32
    form = {"HTTP_COOKIE": f"{cookie['HTTP_COOKIE']}; {settings.CSRF_COOKIE_NAME}={csrf}", "HTTP_X_CSRFTOKEN": csrf}
    invitation = b"email=new%40acme.example&role=viewer"
    with connected_with(**with_option("default_transaction_read_only=on")):
        assert_is_problem(fresh(event_of(estate)))
        page = fresh(
            Sent("POST", "/t/acme/team/invite/", invitation, "application/x-www-form-urlencoded", headers=form)
        )

    assert_is_page(page)


@pytest.mark.parametrize("bound", ["lock_timeout=50", "statement_timeout=50"])
def test_a_statement_that_waits_too_long_is_a_503(estate: Estate, bound: str) -> None:
    with connected_with(**with_option(bound)), as_superuser() as other:
        other.execute("LOCK TABLE event_identity IN ACCESS EXCLUSIVE MODE")
        assert_is_problem(fresh(event_of(estate)))
        other.rollback()

        assert fresh(event_of(estate)).status == CREATED


@pytest.mark.django_db
@pytest.mark.parametrize("code", OUTAGES)
def test_postgresqls_errors_about_itself_are_outages(code: str) -> None:
    assert is_outage(error_with(code))


@pytest.mark.django_db
@pytest.mark.parametrize("code", ["23505", "22012", "42601", "42501"])
def test_postgresqls_errors_about_a_statement_are_no_outages(code: str) -> None:
    assert not is_outage(error_with(code))


def error_with(code: str) -> Error:
    with pytest.raises(Error) as raised, connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'so' USING ERRCODE = '{code}'; END $$")
    connection.needs_rollback = False
    return raised.value


@pytest.mark.django_db
def test_a_call_with_a_key_looks_up_no_session() -> None:
    estate = make_estate("acme")
    session = estate.client().cookies[settings.SESSION_COOKIE_NAME].value
    with CaptureQueriesContext(connection) as queries:
        answer = ask(event_of(estate, HTTP_COOKIE=f"{settings.SESSION_COOKIE_NAME}={session}"))

    assert answer.status == CREATED
    assert [query["sql"] for query in queries if "session" in query["sql"]] == []
    assert "Set-Cookie" not in answer.headers


def test_an_operator_call_without_a_key_looks_up_the_session() -> None:
    for route in every_route():
        view = getattr(route.pattern.callback, "cls", None)
        takes_staff = StaffSessionAuthentication in getattr(view, "authentication_classes", ())
        has_session = not f"/{route.path}".startswith(PATHS_WITHOUT_SESSION) or f"/{route.path}".startswith(
            PATHS_OF_STAFF
        )
        assert has_session or not takes_staff, route.path
