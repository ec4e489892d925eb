"""Backups by PostgreSQL's own programs: a dump each night, and for every acknowledged event a base with its log.

All data is in the database, including stored files, so a backup of the database is complete. A backup is written to a
temporary name and renamed when it is on disk, so that a file with a backup's name is complete. Only its owner may read
it. Passwords are passed to the programs in the environment, since every user of a machine may read a program's
arguments.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings
from psycopg import sql

from accounts.domain.reach import WayIn
from config.operations.errors import BackupError
from config.operations.postgres_programs import program_for

DUMP_PREFIX: Final = "countinghouse-"
DUMP_SUFFIX: Final = ".dump"
BASE_PREFIX: Final = "base-"
LOG_FOLDER: Final = "wal"
SLOT: Final = "countinghouse_backup"
PROGRAM_SECONDS_MAX: Final = 24 * 3600
_UNFINISHED: Final = ".unfinished-"
_OWNER_ALONE: Final = 0o077
_ERROR_CHARACTERS_MAX: Final = 500


def take_dump(*, connection: Mapping[str, Any], folder: Path, keep: int, as_of: datetime) -> Path:
    """Dump the database into the folder, delete all but the newest `keep` dumps, and return the new one."""
    target = folder / f"{DUMP_PREFIX}{as_of:%Y%m%dT%H%M%SZ}{DUMP_SUFFIX}"
    with _renamed_when_done(target) as unfinished:
        dump = ["--format=custom", "--no-owner", "--enable-row-security", f"--file={unfinished}"]
        run_program("pg_dump", dump, connection=_reaching_all(connection))
        _flush(unfinished)
    for old in dumps_in(folder)[keep:]:
        old.unlink()
    return target


def dumps_in(folder: Path) -> list[Path]:
    """List the dumps in a folder, newest first."""
    return sorted(folder.glob(f"{DUMP_PREFIX}*{DUMP_SUFFIX}"), reverse=True)


def restore_dump(*, dump: Path, connection: Mapping[str, Any]) -> None:
    """Restore a dump into an empty database, completely or not at all. Raises `BackupError` if it is not empty."""
    with connect(connection) as server:
        there = server.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchone()
        if there != (0,):
            raise BackupError(f"The database {connection['NAME']} is not empty: restore into a new one.")
        role = sql.Identifier(settings.DATABASE_ROLE)
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_ROLE]).fetchone():
            server.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(role))
    arguments = ["--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={connection['NAME']}", str(dump)]
    run_program("pg_restore", arguments, connection=connection)


@contextmanager
def restored_for_a_while(*, dump: Path, connection: Mapping[str, Any], as_of: datetime) -> Iterator[Mapping[str, Any]]:
    """Restore a dump into a temporary database, yield its connection settings, and drop it."""
    name = f"countinghouse_check_{as_of:%Y%m%d%H%M%S}_{os.getpid()}"
    with connect(connection) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    try:
        other = {**connection, "NAME": name}
        restore_dump(dump=dump, connection=other)
        yield other
    finally:
        with connect(connection) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


# A base and its log


def take_base(*, connection: Mapping[str, Any], folder: Path, keep: int, as_of: datetime) -> Path:
    """Copy the whole cluster into the folder while it runs, verify the copy, and keep the newest `keep` of them."""
    target = folder / f"{BASE_PREFIX}{as_of:%Y%m%dT%H%M%SZ}"
    with _renamed_when_done(target) as unfinished:
        copy = ["--checkpoint=fast", "--wal-method=fetch", "--manifest-checksums=SHA256", f"--pgdata={unfinished}"]
        run_program("pg_basebackup", [*copy, "--no-password"], connection=connection)
        verify_base(unfinished)
    for old in sorted(folder.glob(f"{BASE_PREFIX}*"), reverse=True)[keep:]:
        shutil.rmtree(old)
    return target


def verify_base(base: Path) -> None:
    """Compare each file of a base with its manifest. Raises `BackupError` if one differs."""
    manifest = json.loads((base / "backup_manifest").read_bytes())
    for described in manifest["Files"]:
        path = base / described["Path"]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != described["Checksum"]:
            raise BackupError(f"{path} is not as PostgreSQL wrote it.")


def receive_log(*, connection: Mapping[str, Any], folder: Path) -> subprocess.Popen[bytes]:
    """Start to receive the server's log as it is written, each commit flushed and confirmed. Return the process.

    A server with `countinghouse_backup` in `synchronous_standby_names` acknowledges no commit before it is here.
    """
    logs = folder / LOG_FOLDER
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    slot = [f"--slot={SLOT}", f"--directory={logs}"]
    run_program("pg_receivewal", [*slot, "--create-slot", "--if-not-exists"], connection=connection)
    command = [str(_program("pg_receivewal", connection)), *slot, "--synchronous", "--no-password"]
    environment = _environment(connection) | {"PGAPPNAME": SLOT}
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, umask=_OWNER_ALONE)


def lay_out_base(*, folder: Path, data_dir: Path, until: datetime | None = None) -> None:
    """Create a data directory from the newest base, which replays the log when PostgreSQL is started on it.

    It replays all of the log, or what was committed `until` then. Raises `BackupError` if there is no base, or if the
    directory is not empty.
    """
    bases = sorted(folder.glob(f"{BASE_PREFIX}*"), reverse=True)
    if not bases:
        raise BackupError(f"There is no base in {folder}.")
    if data_dir.exists() and any(data_dir.iterdir()):
        raise BackupError(f"{data_dir} is not empty: restore into a new directory.")
    shutil.copytree(bases[0], data_dir, dirs_exist_ok=True)
    data_dir.chmod(0o700)
    log = str((folder / LOG_FOLDER).resolve()).replace("'", "''")
    target = f"recovery_target_time = '{until.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f+00}'" if until else ""
    lines = [
        # The file that was being written when the server ended has a special name.
        f'restore_command = \'cp "{log}/%f" "%p" || cp "{log}/%f.partial" "%p"\'',
        "synchronous_standby_names = ''",
        *([target, "recovery_target_action = 'promote'"] if target else []),
    ]
    with (data_dir / "postgresql.auto.conf").open("a") as file:
        file.write("\n".join([*lines, ""]))
    (data_dir / "recovery.signal").touch(mode=0o600)


# PostgreSQL's programs


def connect(connection: Mapping[str, Any]) -> psycopg.Connection:
    """Open a connection as the owner, in autocommit."""
    return psycopg.connect(
        host=connection["HOST"] or connection.get("OPTIONS", {}).get("host"),
        port=connection["PORT"] or connection.get("OPTIONS", {}).get("port"),
        user=connection["USER"],
        password=connection["PASSWORD"] or None,
        dbname=connection["NAME"],
        connect_timeout=10,
        autocommit=True,
    )


def run_program(name: str, arguments: list[str], *, connection: Mapping[str, Any]) -> None:
    """Run one of PostgreSQL's programs on our database. Raises `BackupError` with its output."""
    done = subprocess.run(
        [str(_program(name, connection)), *arguments],
        env=_environment(connection),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PROGRAM_SECONDS_MAX,
        umask=_OWNER_ALONE,
    )
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[-_ERROR_CHARACTERS_MAX:]
        raise BackupError(f"{name} failed: {said}")


def _program(name: str, connection: Mapping[str, Any]) -> Path:
    with connect(connection) as server:
        return program_for(name, major=server.info.server_version // 10000)


def _reaching_all(connection: Mapping[str, Any]) -> dict[str, Any]:
    """Return the connection with the way in that reaches every row: policies bind an owner that is no superuser."""
    return {**connection, "OPTIONS": {**connection.get("OPTIONS", {}), "options": f"-c countinghouse.way={WayIn.JOBS}"}}


def _environment(connection: Mapping[str, Any]) -> dict[str, str]:
    options = connection.get("OPTIONS", {})
    facts = {
        "PGHOST": connection["HOST"] or options.get("host"),
        "PGPORT": connection["PORT"] or options.get("port"),
        "PGUSER": connection["USER"],
        "PGPASSWORD": connection["PASSWORD"],
        "PGDATABASE": connection["NAME"],
        "PGSSLMODE": options.get("sslmode"),
        "PGSSLROOTCERT": options.get("sslrootcert"),
        "PGOPTIONS": options.get("options"),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return inherited | {name: str(value) for name, value in facts.items() if value}


@contextmanager
def _renamed_when_done(target: Path) -> Iterator[Path]:
    """Yield a temporary path, and rename it to the target at the end, completely or not at all."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in target.parent.glob(f"{_UNFINISHED}{os.getpid()}-*"):
        _remove(left)
    unfinished = target.with_name(f"{_UNFINISHED}{os.getpid()}-{target.name}")
    try:
        yield unfinished
        unfinished.rename(target)
        _flush(target.parent)
    finally:
        _remove(unfinished)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
