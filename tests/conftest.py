"""The database that tests see: migrated once per run, reached with the application's rights.

xdist's workers clone one migrated template instead of migrating each. A test runs as the
role that the application runs as, so that a right it lacks shows here; `as_owner` marks
the few that are about the owner.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import setup_databases
from pytest_django.plugin import DjangoDbBlocker

from metering.selectors.catalog import forget_catalog
from metering.selectors.limits import forget_limits
from metering.services.partitions import forget_seen_partitions
from tests.fakestripe.fixture import fake_stripe, fake_stripe_server
from tests.postgres_plugin import RUN_DIR_VARIABLE, database_name, database_url

__all__ = ["fake_stripe", "fake_stripe_server"]  # fixtures for every folder
LEDGER_TABLES = ("event", "event_identity", "event_void", "usage_hour", "usage_day", "limit_counter", "limit_bucket")
TRUNCATING_FIXTURES = frozenset({"transactional_db", "live_server"})
DATABASE_FIXTURES = TRUNCATING_FIXTURES | {"db"}

# A busy machine is no reason to fail. Whether a change may be taken in depends on the change, not on luck: new examples are
# looked for where people work.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test that truncates the tables begin with the rows that migrations put there."""
    for item in items:
        marker = item.get_closest_marker("django_db")
        if isinstance(item, pytest.Function) and (
            (marker and marker.kwargs.get("transaction")) or TRUNCATING_FIXTURES & set(item.fixturenames)
        ):
            item.fixturenames.append("django_db_serialized_rollback")


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Replace pytest-django's: clone the run's template where several workers need a database each."""
    run_dir = Path(os.environ[RUN_DIR_VARIABLE])
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    with django_db_blocker.unblock():
        with one_worker_at_a_time(run_dir):
            if worker:
                connection.settings_dict["TEST"]["TEMPLATE"] = template_built_once(run_dir)
            connection.settings_dict["TEST"]["NAME"] = database_name(run_dir, worker or "alone")
            setup_databases(verbosity=0, interactive=False)
        yield
        connection.close()  # the run's databases are dropped together at its end


@contextmanager
def one_worker_at_a_time(run_dir: Path) -> Iterator[None]:
    with (run_dir / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def template_built_once(run_dir: Path) -> str:
    name = database_name(run_dir, "template")
    marker = run_dir / "template.built"
    if not marker.exists():
        build_template(connection, name)
        marker.touch()
    return name


def build_template(connection: BaseDatabaseWrapper, name: str) -> None:
    original = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = name
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    connection.close()  # a template may not be in use
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = original


@pytest.fixture(autouse=True)
def rights_of_the_application(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take on the application's role for the length of a database test, in every connection it opens."""
    touches_database = request.node.get_closest_marker("django_db") or DATABASE_FIXTURES & set(request.fixturenames)
    if not touches_database or request.node.get_closest_marker("as_owner"):
        yield
        return
    request.getfixturevalue("_django_db_helper")
    options = connection.settings_dict["OPTIONS"]
    options["options"] = f"-c role={settings.DATABASE_ROLE}"
    if connection.in_atomic_block:
        # Undone with the test's transaction.
        with connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {settings.DATABASE_ROLE}")
    else:
        connection.close()
    yield
    del options["options"]
    if not connection.in_atomic_block:
        connection.close()  # what follows is the clean-up, which truncates as the owner
        with connection.cursor() as cursor:
            # Django truncates what its migrations made; SQL made these.
            cursor.execute(f"TRUNCATE {', '.join(LEDGER_TABLES)}")


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """Forget what a process remembers of the database for a second or longer: the next test has another one."""
    forget_catalog()
    forget_limits()
    forget_seen_partitions()


@pytest.fixture(autouse=True)
def empty_redis() -> None:
    """PostgreSQL forgets with the test's transaction; this worker's Redis database has to be told."""
    if settings.REDIS_URL:
        cache.clear()


@pytest.fixture
def process_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of another process that is to use this test's database, with the application's rights."""
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_AS_OWNER"}
    return inherited | {"DATABASE_URL": database_url(connection.settings_dict)}
