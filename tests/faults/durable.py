"""A PostgreSQL with fsync on that a test may kill, and ways to wait for the moment to do so."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from config.workbench.embedded_postgres import EmbeddedPostgres
from config.workbench.embedded_postgres.binaries import find_binaries
from config.workbench.embedded_postgres.configuration import append_configuration
from metering.domain.ledger import Ledger
from tests.databases import TEMPLATE_OF_OWN_CLUSTER
from tests.kept_cluster import KeptCluster

DATABASE = "countinghouse"
POLL_SECONDS = 0.002
PATIENCE_SECONDS = 60
SLOTS_MAX = 64
INGEST_RUNNING = """
SELECT count(*) FROM pg_stat_activity
WHERE state = 'active' AND query LIKE '%%WITH gate AS%%' AND pid <> pg_backend_pid()
    AND (wait_event_type = 'Lock' OR NOT %s)
"""


class DurableServer:
    """The cluster of one test run. Every test uses a tenant of its own in it."""

    def __init__(self, directory: Path) -> None:
        """Start a copy of the kept cluster, whose template has every migration. Without one, start a new cluster."""
        cluster = self.cluster = EmbeddedPostgres(data_dir=directory / "postgres", is_durable=True)
        kept = KeptCluster(postgres_major=find_binaries(data_dir=cluster.data_dir).major)
        self.is_migrated = kept.unpack(cluster.data_dir, cluster.account)
        if self.is_migrated:
            append_configuration(cluster.data_dir, is_durable=True)  # the last line of a name counts
        cluster.ensure_running()
        with cluster.connect() as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            if self.is_migrated:
                connection.execute(f'ALTER DATABASE "{TEMPLATE_OF_OWN_CLUSTER}" RENAME TO "{DATABASE}"')
        cluster.ensure_database(DATABASE)

    @property
    def url(self) -> str:
        return self.cluster.database_url(DATABASE)

    def connect(self) -> psycopg.Connection:
        return self.cluster.connect(DATABASE)

    def kill(self) -> None:
        """Kill the postmaster by SIGKILL and then every backend, before any of them can do another thing."""
        postmaster = self._postmaster()
        postmaster.suspend()  # or it would see its children die and begin to recover
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            process.kill()
        await_that(lambda: not any(is_alive(process) for process in family))

    def checkpoint_and_stop_wal_writer(self) -> None:
        """Stop the background writer, so that from now on commits alone write the log."""
        with self.connect() as connection:
            connection.execute("CHECKPOINT")
            for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"):
                psutil.Process(pid).suspend()

    def _postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.cluster.data_dir / "postmaster.pid").read_text().split("\n", 1)[0]))

    def restart(self) -> None:
        """Start again, through crash recovery."""
        self.cluster.ensure_running()

    def await_running_ingest(self, *, at_least: int = 1, held: bool = False) -> None:
        """Wait until so many ingest statements run. With `held`, wait until they wait for a lock."""
        with self.connect() as connection:
            await_that(lambda: running_ingest(connection, held=held) >= at_least)

    def await_no_running_ingest(self) -> None:
        """Wait until the backends have done their work."""
        with self.connect() as connection:
            await_that(lambda: running_ingest(connection, held=False) == 0)

    @contextmanager
    def holding_rollups(self, work_ledger: Ledger, *, hour: str) -> Iterator[psycopg.Connection]:
        """Stop every ingest of that hour between its claims and its rollups, until the block or the connection ends.

        An uncommitted row in each slot of the rollup makes the statement wait in its middle.
        """
        holder = self.connect()
        try:
            holder.autocommit = False
            holder.execute(
                "INSERT INTO usage_hour SELECT %s, %s, m.id, %s::timestamptz, slot, 0, 0"
                " FROM metering_meter AS m, generate_series(0, %s) AS slot",
                [work_ledger.tenant_id, work_ledger.is_live, hour, SLOTS_MAX],
            )
            yield holder
        finally:
            holder.close()  # rolls back, or had died


def running_ingest(connection: psycopg.Connection, *, held: bool) -> int:
    """Return how many ingest statements run now."""
    row = connection.execute(INGEST_RUNNING, [held]).fetchone()
    assert row is not None
    return int(row[0])


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process can still do anything. A dead orphan may stay a zombie for a while."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def await_that(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true, checking it again and again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(POLL_SECONDS)
