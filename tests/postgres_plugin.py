"""Gives a test run a PostgreSQL of its own, deleted at the end.

Loaded by `-p` in pyproject.toml, since the settings are read before any conftest.py. The process that starts the run
names the cluster and removes it. xdist's workers find its URL in their environment, and the first test that needs a
database starts it. With DATABASE_URL set, the tests use that server instead and remove from it what they created. With
REDIS_URL set, each worker has a database of that Redis to itself.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql

from config.workbench.embedded_postgres import EmbeddedPostgres

RUN_PREFIX = "countinghouse-test-"
RUN_DIR_VARIABLE = "COUNTINGHOUSE_TEST_RUN_DIR"
DATABASE_NAME = "postgres"  # the one to connect to for making others
ROLE_OF_OWN_CLUSTER = "countinghouse_app"  # always the same: it is kept with the cluster from run to run
# A Redis has sixteen databases unless told otherwise; the lower ones are left to people.
REDIS_DATABASE_ALONE, REDIS_DATABASE_OF_FIRST_WORKER = 15, 8


class TestRun:
    """A private directory with the cluster in it, and a lock that shows that the run is alive."""

    __test__ = False

    def __init__(self) -> None:
        """Create the directory and set the environment that the settings and the workers read."""
        self.directory = Path(tempfile.mkdtemp(prefix=RUN_PREFIX))
        self.directory.chmod(0o755)  # for the account that stands in for root
        (self.directory / "static").mkdir()  # the folder of WhiteNoise's collected files
        self.lock = os.open(self.directory / "alive.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.cluster = None if os.environ.get("DATABASE_URL") else cluster_in(self.directory)
        self.environment = pytest.MonkeyPatch()
        self.environment.setenv(RUN_DIR_VARIABLE, str(self.directory))
        self.environment.setenv("COUNTINGHOUSE_DATA_DIR", str(self.directory))
        self.environment.setenv("COUNTINGHOUSE_PROFILE", "test")
        self.environment.setenv("DATABASE_AS_OWNER", "1")
        if self.cluster:
            self.environment.setenv("DATABASE_URL", self.cluster.database_url(DATABASE_NAME))
            self.environment.setenv("DATABASE_ROLE", ROLE_OF_OWN_CLUSTER)
        else:
            self.environment.setenv("DATABASE_ROLE", database_name(self.directory, "app"))

    def finish(self) -> None:
        """Remove the cluster, or the template that the workers left on the named server."""
        if self.cluster:
            self.cluster.stop("immediate")
        else:
            drop_databases(os.environ["DATABASE_URL"], of_run=self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self.lock)
        self.environment.undo()


def cluster_in(directory: Path) -> EmbeddedPostgres:
    """Return the run's cluster, with fsync off."""
    return EmbeddedPostgres(data_dir=directory / "postgres", is_durable=False)


def database_name(run_dir: Path, purpose: str) -> str:
    """Return the name of a database of this run. Two runs on one server use different ones."""
    return f"test_{run_dir.name.removeprefix(RUN_PREFIX)}_{purpose}"


def database_url(connection_settings: Mapping[str, Any]) -> str:
    """Return the URL of one database, out of Django's settings for it."""
    user = quote(connection_settings["USER"], safe="")
    password = quote(connection_settings["PASSWORD"], safe="")
    network = (
        f"{connection_settings['HOST']}:{connection_settings['PORT'] or 5432}" if connection_settings["HOST"] else ""
    )
    options = connection_settings.get("OPTIONS", {})
    socket = options.get("host")
    parameters = f"?host={quote(socket)}&port={options.get('port', 5432)}" if socket else ""
    return f"postgres://{user}:{password}@{network}/{quote(connection_settings['NAME'], safe='')}{parameters}"


def drop_databases(url: str, *, of_run: Path) -> None:
    """Drop the databases and the role of a run on a server that it was given, closing open connections."""
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [database_name(of_run, "")]
        ).fetchall()
        for (name,) in found:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(database_name(of_run, "app"))))


def remove_dead_runs() -> None:
    """Remove what killed runs left."""
    for directory in Path(tempfile.gettempdir()).glob(f"{RUN_PREFIX}*"):
        with contextlib.suppress(OSError), (directory / "alive.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            cluster_in(directory).stop("immediate")
            if url := os.environ.get("DATABASE_URL"):
                drop_databases(url, of_run=directory)
            shutil.rmtree(directory, ignore_errors=True)


def redis_url_of_worker(url: str, worker: str) -> str:
    """Return the same Redis with a database number that no other worker uses. The tests empty it."""
    number = REDIS_DATABASE_OF_FIRST_WORKER + int(worker.removeprefix("gw")) if worker else REDIS_DATABASE_ALONE
    return urlsplit(url)._replace(path=f"/{number}").geturl()


def interrupt(*_: object) -> None:
    """End the run at SIGTERM as at Ctrl-C, so that it cleans up."""
    raise KeyboardInterrupt


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start a server before pytest-django, which runs inside this wrapper, reads the settings."""
    if RUN_DIR_VARIABLE not in os.environ:
        remove_dead_runs()
        early_config.add_cleanup(TestRun().finish)
        signal.signal(signal.SIGTERM, interrupt)
    if url := os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = redis_url_of_worker(url, os.environ.get("PYTEST_XDIST_WORKER", ""))
    return (yield)
