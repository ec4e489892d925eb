"""The database that tests see: migrated at most once per run, reached with the application's rights.

Each process clones one migrated template, which an earlier run may have left. A test logs in as the application does,
so that a missing right shows here. `as_owner` marks the few that are about the owner.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client, TransactionTestCase
from pytest_django.plugin import DjangoDbBlocker

from accounts.api.sessions import SessionStore, cookie_of_session_key, session_key_of_cookie
from accounts.domain.reach import WayIn, current_reach, let_process_reach, reaching
from tests.contract import check_answer
from tests.databases import Cleaner, add_sample_seller, clone_database, owner_url, provide_template, use_database
from tests.fakepaddle.fixture import fake_paddle, fake_paddle_server
from tests.fakestripe.fixture import fake_stripe, fake_stripe_server
from tests.postgres_plugin import RUN_DIR_VARIABLE, database_name
from tests.shared_world import forget_what_a_process_knows

__all__ = ["fake_paddle", "fake_paddle_server", "fake_stripe", "fake_stripe_server"]  # fixtures for every folder

# A busy machine is no reason to fail. Whether a change may be merged depends on the change, not on luck: only people's
# own runs search for new examples. `make soak ARGS=properties` searches for long.
ON_ANY_MACHINE = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("here", **ON_ANY_MACHINE, max_examples=30)
hypothesis.settings.register_profile("ci", **ON_ANY_MACHINE, max_examples=30, derandomize=True)
hypothesis.settings.register_profile("long", **ON_ANY_MACHINE, max_examples=1000)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Replace pytest-django's: clone the run's migrated template, which the first process to come here provides.

    A test that commits is cleaned up after by our own means instead of Django's flush.
    """
    run_dir = Path(os.environ[RUN_DIR_VARIABLE])
    name = database_name(run_dir, os.environ.get("PYTEST_XDIST_WORKER", "alone"))
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        with one_worker_at_a_time(run_dir):
            clone_database(provide_template(run_dir), name)
        use_database(name)
        add_sample_seller()
        cleaner = Cleaner()
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: cleaner.clean())
        yield
        connection.close()  # the run's databases are dropped together at its end
        cleaner.server.close()


@contextmanager
def one_worker_at_a_time(run_dir: Path) -> Iterator[None]:
    with (run_dir / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Set every connection of the test to log in as the application does, before a fixture opens one."""
    login = settings.DATABASE_OWNER if item.get_closest_marker("as_owner") else settings.DATABASE_LOGIN
    assert login is not None, "a test run knows both logins"
    if connection.settings_dict["USER"] != login["USER"]:
        connection.close()
        connection.settings_dict.update({name: login[name] for name in ("USER", "PASSWORD")})


@pytest.fixture(autouse=True)
def way_in_of_jobs() -> Iterator[None]:
    """Open for a test the way in of a command, in each of its threads. Its client's requests begin without any."""
    let_process_reach(WayIn.JOBS)
    with reaching(current_reach()):
        yield


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """Forget what a process remembers of the database for a second or longer, since the next test has another one."""
    forget_what_a_process_knows()


@pytest.fixture(scope="session", autouse=True)
def responses_are_as_documented() -> Iterator[None]:
    """Check each response of the API that any test's client receives by the OpenAPI document."""
    send = Client.request

    def request(client: Client, **environ: Any) -> Any:
        response = send(client, **environ)
        received = response.wsgi_request
        # The body of a CloudEvent in binary form is only its data, of any media type.
        sent = b"" if "ce-id" in received.headers else getattr(received, "unpacked_body", b"")
        check_answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], response, sent, received.content_type)
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "request", request)
        yield


@pytest.fixture(scope="session", autouse=True)
def clients_have_signed_sessions() -> Iterator[None]:
    """Set in Django's test client, which creates sessions itself, the cookie that our middleware reads."""

    def session_of(client: Client) -> SessionStore:
        cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
        session = SessionStore(session_key_of_cookie(cookie.value) if cookie else None)
        if not session.session_key:
            session.save()
            client.cookies[settings.SESSION_COOKIE_NAME] = cookie_of_session_key(session.session_key)
        return session

    set_cookies = Client._set_login_cookies

    def set_signed_cookies(client: Client, request: Any) -> None:
        set_cookies(client, request)
        client.cookies[settings.SESSION_COOKIE_NAME] = cookie_of_session_key(request.session.session_key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "session", property(session_of))
        patch.setattr(Client, "_set_login_cookies", set_signed_cookies)
        yield


@pytest.fixture(autouse=True)
def empty_redis() -> None:
    """Clear this worker's Redis database, since only PostgreSQL forgets with the test's transaction."""
    if settings.REDIS_URL:
        cache.clear()


@pytest.fixture
def process_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the environment of another process that uses this test's database, with the application's rights."""
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_AS_OWNER"}
    return inherited | {"DATABASE_URL": owner_url()}
