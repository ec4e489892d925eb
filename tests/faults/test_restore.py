"""P21: a backup taken while events come in holds what was acknowledged, after PostgreSQL was killed.

A dump holds all that was acknowledged before it began. A base with its log, which the server waits for, holds every
event that was ever acknowledged, although nothing is read from the killed server's own disk.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from config.environment import Environment, database_url
from config.operations import backups
from config.operations.errors import BackupError
from config.operations.postgres_programs import program_for
from config.workbench.embedded_postgres import EmbeddedPostgres
from metering.domain.ledger import Ledger
from tests.faults.books import wrongs
from tests.faults.durable import DATABASE, DurableServer, await_that
from tests.faults.processes import Work, finish, read_journals, report_drifts, run_apart, senders
from tests.faults.verdicts import answers, journals_in
from tests.kept_cluster import give_to

pytestmark = pytest.mark.xdist_group("faults")

SENDERS, EVENTS, BATCH = 2, 3000, 5
PROGRAMS = ("pg_dump", "pg_restore", "pg_basebackup", "pg_receivewal")
STORED = "SELECT id FROM event WHERE tenant_id = %s"
REPLICAS = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'countinghouse_backup'"


@pytest.fixture
def folder(server: DurableServer) -> Iterator[Path]:
    with server.connect() as connection:
        major = connection.info.server_version // 10000
    for program in PROGRAMS:
        try:
            program_for(program, major=major)
        except BackupError as error:
            pytest.skip(str(error))
    directory = Path(tempfile.mkdtemp(prefix="countinghouse-backup-"))
    directory.chmod(0o755)  # for the account that stands in for root
    yield directory
    for cluster in filter(Path.is_dir, directory.glob("elsewhere*")):
        EmbeddedPostgres(data_dir=cluster).remove()
    shutil.rmtree(directory)


def acknowledged(work: Work) -> set[str]:
    """Return what has been acknowledged up to now."""
    return {id_ for journal in read_journals(work.journals) for id_ in journal.acknowledged}


def await_more(work: Work) -> set[str]:
    """Wait until more is acknowledged. Return all that is."""
    before = answers(work.journals)
    await_that(lambda: answers(work.journals) >= before + 10)
    return acknowledged(work)


def lost_or_wrong(connection: psycopg.Connection, ledger: Ledger, kept: set[str]) -> list[str]:
    """List what is wrong with restored books that must have these events, and may have later ones."""
    stored = {id_ for (id_,) in connection.execute(STORED, [ledger.tenant_id])}
    return wrongs(connection, ledger, expected=stored, acknowledged=kept)


@pytest.mark.takes_long("it restores a database while events come in")
def test_a_dump_taken_while_events_come_in_has_all_that_was_acknowledged_before_it(
    server: DurableServer, ledger: Ledger, folder: Path, tmp_path: Path
) -> None:
    work = Work(server.url, ledger, journals_in(tmp_path), events=EVENTS, events_per_batch=BATCH)
    connection, as_of = server.cluster.connection_settings(DATABASE), datetime.now(UTC)
    with senders(work, SENDERS):
        before = await_more(work)
        for number in range(2):
            moment = as_of + timedelta(seconds=number)
            done = backups.take_dump(connection=connection, folder=folder / "dumps", keep=1, as_of=moment)
        await_more(work)
        server.kill()
    server.restart()

    assert list((folder / "dumps").iterdir()) == [done], "the older is deleted, and nothing unfinished is left"
    assert done.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupError, match="not empty"):
        backups.restore_dump(dump=done, connection=connection)
    with backups.restored_for_a_while(dump=done, connection=connection, as_of=as_of) as other:
        report = tmp_path / "drifts"
        run_apart(report_drifts, database_url(other), ledger.tenant_id, report)
        assert report.read_text() == ""
        with backups.connect(other) as restored:
            assert lost_or_wrong(restored, ledger, before) == []
            later = acknowledged(work)
            assert later > before
            assert any("acknowledged and not stored" in said for said in lost_or_wrong(restored, ledger, later)), (
                "the control: what came after the dump is not in it"
            )


@contextmanager
def log_received(server: DurableServer, folder: Path) -> Iterator[None]:
    """Set the server to wait with each commit until its log is in the folder."""
    receiver = backups.receive_log(connection=server.cluster.connection_settings(DATABASE), folder=folder)
    try:
        with server.connect() as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{backups.SLOT}'")
            connection.execute("SELECT pg_reload_conf()")
            await_that(lambda: connection.execute(f"{REPLICAS} AND sync_state = 'sync'").fetchone() == (1,))
        yield
    finally:
        receiver.terminate()
        receiver.wait(60)
        server.restart()
        with server.connect() as connection:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
            await_that(lambda: connection.execute(REPLICAS).fetchone() == (0,))
            connection.execute("SELECT pg_drop_replication_slot(%s)", [backups.SLOT])


def started_elsewhere(folder: Path, data_dir: Path, server: DurableServer) -> EmbeddedPostgres:
    """Unpack the newest base in another place, and start a server that reads its log to the end."""
    backups.lay_out_base(folder=folder, data_dir=data_dir)
    for path in (data_dir, folder):
        give_to(server.cluster.account, path)
    cluster = EmbeddedPostgres(data_dir=data_dir)
    cluster.ensure_running()
    with cluster.connect(DATABASE) as connection:
        await_that(lambda: connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,))
    return cluster


@pytest.mark.takes_long("a cluster is copied three times, and two are started")
def test_a_base_and_its_log_have_every_event_that_was_ever_acknowledged(
    server: DurableServer, ledger: Ledger, folder: Path, tmp_path: Path
) -> None:
    copies = folder / "copies"
    work = Work(server.url, ledger, journals_in(tmp_path), events=EVENTS, events_per_batch=BATCH)
    with log_received(server, copies):
        with senders(work, SENDERS):
            await_more(work)
            connection = server.cluster.connection_settings(DATABASE)
            base = backups.take_base(connection=connection, folder=copies, keep=2, as_of=datetime.now(UTC))
            await_more(work)
            server.await_running_ingest()
            server.kill()
        everything = acknowledged(work)
        assert everything

    elsewhere = started_elsewhere(copies, folder / "elsewhere", server)
    with elsewhere.connect(DATABASE) as restored:
        assert lost_or_wrong(restored, ledger, everything) == []
    report = tmp_path / "drifts"
    run_apart(report_drifts, elsewhere.database_url(DATABASE), ledger.tenant_id, report)
    assert report.read_text() == ""
    elsewhere.stop("immediate")

    # The control: the same base without its log.
    shutil.rmtree(copies / backups.LOG_FOLDER)
    without = started_elsewhere(copies, folder / "elsewhere-without-log", server)
    with without.connect(DATABASE) as restored:
        said = lost_or_wrong(restored, ledger, everything)
    assert any("acknowledged and not stored" in sentence for sentence in said)
    with pytest.raises(BackupError, match="not empty"):
        backups.lay_out_base(folder=copies, data_dir=folder / "elsewhere-without-log")
    with (base / "PG_VERSION").open("a") as file:
        file.write("x")
    with pytest.raises(BackupError, match="PG_VERSION is not as PostgreSQL wrote it"):
        backups.verify_base(base)


def test_a_program_that_fails_leaves_no_backup_and_shows_no_password(folder: Path, tmp_path: Path) -> None:
    connection = Environment({"URL": f"postgres://unknown:hidden@/none?host={folder}"}).database("URL")
    with pytest.raises((BackupError, psycopg.OperationalError)) as refused:
        backups.take_dump(connection=connection, folder=tmp_path / "dumps", keep=1, as_of=datetime.now(UTC))
    assert "hidden" not in str(refused.value)
    assert not list((tmp_path / "dumps").iterdir())
    with pytest.raises(BackupError, match="There is no base"):
        backups.lay_out_base(folder=tmp_path, data_dir=tmp_path / "cluster")
    with pytest.raises(BackupError, match="There is no pg_dump of PostgreSQL 9000 or newer"):
        program_for("pg_dump", major=9000)


@pytest.mark.soak
def test_a_base_and_its_log_outlive_kill_after_kill(
    server: DurableServer, ledger: Ledger, folder: Path, tmp_path: Path
) -> None:
    # The receiver starts again by itself. Until then no event is acknowledged.
    copies = folder / "copies"
    work = Work(server.url, ledger, journals_in(tmp_path), events=20_000, events_per_batch=BATCH)
    with log_received(server, copies):
        with senders(work, 8):
            await_more(work)
            connection = server.cluster.connection_settings(DATABASE)
            backups.take_base(connection=connection, folder=copies, keep=2, as_of=datetime.now(UTC))
            for _ in range(4):
                await_more(work)
                server.kill()
                server.restart()
            await_more(work)
            server.kill()
        everything = acknowledged(work)
    elsewhere = started_elsewhere(copies, folder / "elsewhere", server)
    with elsewhere.connect(DATABASE) as restored:
        assert lost_or_wrong(restored, ledger, everything) == []
    report = tmp_path / "drifts"
    run_apart(report_drifts, elsewhere.database_url(DATABASE), ledger.tenant_id, report)
    assert report.read_text() == ""


@pytest.mark.soak
def test_the_command_verifies_a_dump_and_refuses_one_with_wrong_books(
    server: DurableServer, ledger: Ledger, folder: Path, tmp_path: Path
) -> None:
    work = Work(server.url, ledger, journals_in(tmp_path), events=200)
    with senders(work, 1) as processes:
        finish(processes)
    assert "dumped into" in backup(server, "dump", folder).stdout
    proven = backup(server, "prove", folder)
    assert "restores, and its books agree" in proven.stdout, proven.stdout + proven.stderr
    drift = "UPDATE usage_day SET quantity = quantity + %s WHERE tenant_id = %s"
    with server.connect() as connection:
        connection.execute(drift, [1, ledger.tenant_id])
        refused = [backup(server, action, folder) for action in ("dump", "prove")][-1]
        connection.execute(drift, [-1, ledger.tenant_id])
    assert refused.returncode == 1
    assert "is not proven: reconcile ended with 1" in refused.stderr


def backup(server: DurableServer, action: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `manage.py backup` as an operator does."""
    command = [sys.executable, "manage.py", "backup", action, str(folder / "dumps")]
    environment = os.environ | {"DATABASE_URL": server.url, "DATABASE_AS_OWNER": "0"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
