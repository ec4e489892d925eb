"""The database that tests see: migrated at most once per run, reached with the application's rights.

Each process clones one migrated template, which an earlier run may have left. A test runs as the
role that the application runs as, so that a right it lacks shows here; `as_owner` marks
the few that are about the owner.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from config.workbench.embedded_postgres import EmbeddedPostgres
from config.workbench.embedded_postgres.binaries import find_binaries
from metering.selectors.catalog import forget_catalog
from metering.selectors.limits import forget_limits
from metering.services.partitions import forget_seen_partitions
from tests.contract import check_answer
from tests.fakestripe.fixture import fake_stripe, fake_stripe_server
from tests.kept_cluster import KeptCluster
from tests.postgres_plugin import DATABASE_NAME, RUN_DIR_VARIABLE, cluster_in, database_name, database_url

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
    """Replace pytest-django's: clone the run's migrated template, which the first to come here provides."""
    run_dir = Path(os.environ[RUN_DIR_VARIABLE])
    name = database_name(run_dir, os.environ.get("PYTEST_XDIST_WORKER", "alone"))
    with django_db_blocker.unblock():
        with one_worker_at_a_time(run_dir):
            clone_database(provide_template(run_dir), name)
        use_database(name)
        # What Django's own set-up would keep: the rows that migrations made, for tests that truncate them.
        connection._test_serialized_contents = connection.creation.serialize_db_to_string()  # type: ignore[attr-defined]
        yield
        connection.close()  # the run's databases are dropped together at its end


@contextmanager
def one_worker_at_a_time(run_dir: Path) -> Iterator[None]:
    with (run_dir / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def provide_template(run_dir: Path) -> str:
    """Return the name of the run's template, having started the run's cluster and migrated if nobody did before."""
    cluster = cluster_in(run_dir)
    is_our_own = os.environ["DATABASE_URL"] == cluster.database_url(DATABASE_NAME)
    name = "countinghouse_template" if is_our_own else database_name(run_dir, "template")
    marker = run_dir / "template.built"
    if not marker.exists():
        if is_our_own:
            start_with_template(cluster, name)
        else:
            build_template(name)
        marker.touch()
    return name


def start_with_template(cluster: EmbeddedPostgres, name: str) -> None:
    """Start the cluster that an earlier run kept, or a new one, which is kept for the next run."""
    kept = KeptCluster(postgres_major=find_binaries(data_dir=cluster.data_dir).major)
    if not kept.unpack(cluster.data_dir, cluster.account):
        cluster.ensure_running()
        build_template(name)
        cluster.stop()
        kept.keep(cluster.data_dir)
    cluster.ensure_running()


def build_template(name: str) -> None:
    """Migrate a new database of this name, which nothing is connected to afterwards."""
    original = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = name
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    connection.close()  # a template may not be in use
    use_database(original)


def use_database(name: str) -> None:
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


def clone_database(template: str, name: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))


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


@pytest.fixture(scope="session", autouse=True)
def answers_are_as_documented() -> Iterator[None]:
    """Check each answer of the API that any test's client receives by the OpenAPI document."""
    send = Client.request

    def request(client: Client, **environ: Any) -> Any:
        response = send(client, **environ)
        sent = getattr(response.wsgi_request, "unpacked_body", b"")
        check_answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], response, sent)
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "request", request)
        yield


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
