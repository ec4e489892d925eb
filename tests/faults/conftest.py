"""One durable PostgreSQL for the fault tests of a run, migrated once; a tenant for each test."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from metering.domain.ledger import Ledger
from tests.concurrency.authorize_rig import Workers, rig
from tests.faults.durable import DurableServer
from tests.faults.processes import fresh_ledger, make_tenant, migrate, run_apart

__all__ = ["rig"]

MIGRATION_SECONDS_MAX = 300  # on a busy machine


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Run one process to kill at a time."""
    workers = Workers(wanted=1)
    yield workers
    workers.stop()


@pytest.fixture(scope="session")
def durable_server(django_db_setup: None) -> Iterator[DurableServer]:  # after the run has kept its cluster
    directory = Path(tempfile.mkdtemp(prefix="countinghouse-durable-"))
    directory.chmod(0o755)  # for the account that stands in for root
    server = DurableServer(directory)
    try:
        if not server.is_migrated:
            run_apart(migrate, server.url, seconds_max=MIGRATION_SECONDS_MAX)
        yield server
    finally:
        server.cluster.remove()
        shutil.rmtree(directory)


@pytest.fixture
def server(durable_server: DurableServer) -> DurableServer:
    """Start the server again, whatever the test before did to it, and return it."""
    durable_server.restart()
    return durable_server


@pytest.fixture
def ledger(server: DurableServer) -> Ledger:
    ledger = fresh_ledger()
    run_apart(make_tenant, server.url, ledger.tenant_id, f"t-{ledger.tenant_id}"[:50])
    return ledger
