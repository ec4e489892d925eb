"""One PostgreSQL cluster of our own: created once, started when needed, stopped on request.

Any number of processes may use it at the same time; a file lock lets one act. A cluster is
initialised under a temporary name and renamed, so an incomplete one is never seen. A killed
server leaves lock files with a process id. These get an impossible id instead of being
deleted, so that PostgreSQL still checks whether orphaned backends use the old shared memory.
"""

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from config.workbench.embedded_postgres.account import ServerAccount
from config.workbench.embedded_postgres.binaries import Binaries, find_binaries, within_reach
from config.workbench.embedded_postgres.configuration import append_configuration
from config.workbench.embedded_postgres.errors import EmbeddedPostgresError

SUPERUSER = "postgres"
PORT = 5432  # names the socket file; nothing listens on the network
SOCKET_NAME = f".s.PGSQL.{PORT}"
SOCKET_PATH_BYTES_MAX = 100  # the operating systems allow 104 to 108
IMPOSSIBLE_PID = 4_194_999  # above the highest pid_max of any kernel
SYSTEM_STATE_DIR = Path("/var/lib")
UNFINISHED_PREFIX = ".postgres-init-"
START_ATTEMPTS_MAX = 40
SECONDS_BETWEEN_ATTEMPTS = 0.25
SECONDS_BETWEEN_LOOKS = 0.02
RECOVERY_SECONDS_MAX = 300
STOP_SECONDS_MAX = 60
# Longer than pg_ctl waits by itself, and than any process holds the lock.
PROGRAM_SECONDS_MAX = RECOVERY_SECONDS_MAX + 60
LOCK_SECONDS_MAX = 2 * PROGRAM_SECONDS_MAX
LOG_LINES_SHOWN = 5

StopMode = Literal["smart", "fast", "immediate"]


class EmbeddedPostgres:
    """The cluster in one data directory. Creating this object touches and starts nothing."""

    def __init__(self, *, data_dir: Path, is_durable: bool = True) -> None:
        """Set the cluster's directory. With `is_durable` off, a crash of the machine may lose its data."""
        self.is_durable = is_durable
        self.data_dir = _reachable_data_dir(data_dir.resolve())
        self.account = ServerAccount.for_data_dir(self.data_dir)
        self.socket_dir = _socket_dir(self.data_dir, self.account)
        self.log_file = self.data_dir / "server.log"

    # What a client needs

    def connection_settings(self, name: str) -> dict[str, object]:
        """Return Django's settings for one database of this cluster. The server need not run."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": SUPERUSER,
            "PASSWORD": "",
            "HOST": str(self.socket_dir),
            "PORT": str(PORT),
        }

    def database_url(self, name: str) -> str:
        """Return the same as a URL, in the form that libpq, psql and psycopg read too."""
        socket_dir = quote(str(self.socket_dir), safe="/")
        return f"postgres://{SUPERUSER}@/{quote(name, safe='')}?host={socket_dir}&port={PORT}"

    def connect(self, name: str = "postgres") -> psycopg.Connection:
        """Open a connection as the cluster's superuser, in autocommit."""
        return psycopg.connect(
            host=str(self.socket_dir), port=PORT, user=SUPERUSER, dbname=name, connect_timeout=3, autocommit=True
        )

    def is_running(self) -> bool:
        """Return whether a connection succeeds, which is the only reliable sign."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    # Changing its state

    def ensure_running(self) -> None:
        """Create and start the cluster if needed. Return when it accepts connections.

        Raises EmbeddedPostgresError with one sentence if that is impossible.
        """
        if self.is_running():
            return
        self._refuse_foreign_data_dir()
        try:
            with self._lock():
                if not self.is_running():
                    self._initialise_once()
                    self._make_socket_dir()
                    self._start()
        except PermissionError as error:
            message = (
                f"The embedded PostgreSQL needs to write {error.filename or self.data_dir}, and may not: give this user"
                " the directory, name another with COUNTINGHOUSE_DATA_DIR, or set DATABASE_URL."
            )
            raise EmbeddedPostgresError(message) from error

    def ensure_database(self, name: str) -> None:
        """Create the database unless it exists. Many processes may call this at once."""
        with self.connect() as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone():
                return
            with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server if it runs: `fast` ends its sessions, `immediate` skips the checkpoint."""
        if not self.data_dir.exists():
            return
        with self._lock():
            if self._postmaster() is not None:
                arguments = ["stop", "-w", "-s", "-t", str(STOP_SECONDS_MAX), "-m", mode, "-D", str(self.data_dir)]
                self._run("pg_ctl", arguments)
            if self.socket_dir != self.data_dir:
                shutil.rmtree(self.socket_dir, ignore_errors=True)

    def remove(self) -> None:
        """Stop the server and delete the cluster with everything in it."""
        self.stop("immediate")
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self._lock_file.unlink(missing_ok=True)

    # Steps

    @property
    def _lock_file(self) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.lock")

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        _make_directories(self.data_dir.parent)
        descriptor = os.open(self._lock_file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for_lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _wait_for_lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS_MAX
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"Another process has held {self._lock_file} for {LOCK_SECONDS_MAX} seconds."
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _refuse_foreign_data_dir(self) -> None:
        if self.data_dir.exists() and os.geteuid() not in {0, self.data_dir.stat().st_uid}:
            message = (
                f"{self.data_dir} belongs to another user (number {self.data_dir.stat().st_uid}), perhaps because it "
                f"was"
                " made as root: run as that user or as root, name another with COUNTINGHOUSE_DATA_DIR, or set "
                "DATABASE_URL."
            )
            raise EmbeddedPostgresError(message)
        if self.account.uid == 0:
            message = f"{self.data_dir} belongs to root, and PostgreSQL does not run as root: give it to another user."
            raise EmbeddedPostgresError(message)

    def _binaries(self) -> Binaries:
        binaries = find_binaries(data_dir=self.data_dir)
        return within_reach(binaries, account=self.account, shelf=SYSTEM_STATE_DIR / "countinghouse")

    def _run(self, program: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as the cluster's account, in an environment of its own."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "LD_", "LC_", "COUNTINGHOUSE_"))
        }
        try:
            return subprocess.run(
                [str(self._binaries().program(program)), *arguments],
                env=inherited | {"LC_ALL": "C", "HOME": "/"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
                text=True,
                check=False,
                start_new_session=True,  # Ctrl-C in a terminal is not meant for the database
                timeout=PROGRAM_SECONDS_MAX,
                **self.account.impersonation,
            )
        except subprocess.TimeoutExpired as error:
            message = f"PostgreSQL's {program} was not done after {PROGRAM_SECONDS_MAX} seconds."
            raise EmbeddedPostgresError(message) from error

    def _initialise_once(self) -> None:
        for unfinished in self.data_dir.parent.glob(f"{UNFINISHED_PREFIX}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if (self.data_dir / "PG_VERSION").exists():
            return
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=self.data_dir.parent))
        try:
            if self.account.is_another_user:
                os.chown(unfinished, self.account.uid, self.account.gid)
            self._initdb(unfinished)
            append_configuration(unfinished, is_durable=self.is_durable)
            unfinished.rename(self.data_dir)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _initdb(self, directory: Path) -> None:
        arguments = [
            "-D",
            str(directory),
            "-U",
            SUPERUSER,
            "-E",
            "UTF8",
            "--auth=trust",
            "--data-checksums",
            "--locale=C",
        ]
        if self._binaries().major >= 17:  # noqa: PLR2004 - the first version with its own, portable locales
            arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self.is_durable:
            arguments.append("--no-sync")
        outcome = self._run("initdb", arguments)
        if outcome.returncode:
            reason = " ".join(outcome.stderr.split())[-500:]
            raise EmbeddedPostgresError(f"PostgreSQL could not be set up in {directory.parent}: {reason}")

    def _make_socket_dir(self) -> None:
        if self.socket_dir == self.data_dir:
            return
        with contextlib.suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
            if self.account.is_another_user:
                os.chown(self.socket_dir, self.account.uid, self.account.gid)
        found = self.socket_dir.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.account.uid or stat.S_IMODE(found.st_mode) != 0o700:  # noqa: PLR2004
            message = f"{self.socket_dir} is not a private directory of ours: remove it, or set COUNTINGHOUSE_DATA_DIR."
            raise EmbeddedPostgresError(message)

    def _start(self) -> None:
        """Start the server, again as long as orphans of a killed one prevent it."""
        socket_setting = f'unix_socket_directories="{str(self.socket_dir).replace(chr(34), chr(34) * 2)}"'
        options = shlex.join(["-c", socket_setting])
        arguments = ["start", "-w", "-s", "-t", str(RECOVERY_SECONDS_MAX)]
        arguments += ["-D", str(self.data_dir), "-l", str(self.log_file), "-o", options]
        for _ in range(START_ATTEMPTS_MAX):
            if self._postmaster() is None:
                self._forget_killed_server()
                self._run("pg_ctl", arguments)
            if self.is_running():
                return
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)
        log = self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []
        reason = " / ".join(log[-LOG_LINES_SHOWN:]) or "it left no log"
        raise EmbeddedPostgresError(f"The embedded PostgreSQL in {self.data_dir} did not start: {reason}")

    def _postmaster(self) -> psutil.Process | None:
        """Return the server's main process, if the process in the pid file is that and is alive."""
        try:
            process = psutil.Process(int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0]))
            is_ours = process.status() != psutil.STATUS_ZOMBIE and str(self.data_dir) in process.cmdline()
        except (FileNotFoundError, ValueError, psutil.Error):
            return None
        return process if is_ours else None

    def _forget_killed_server(self) -> None:
        """Write an impossible process id into stale lock files: theirs may now belong to another program."""
        for lock_file in (self.data_dir / "postmaster.pid", self.socket_dir / f"{SOCKET_NAME}.lock"):
            if not lock_file.exists():
                continue
            lines = lock_file.read_text().split("\n")
            if len(lines) < 5:  # noqa: PLR2004 - cut short while it was written, so there is nothing to keep
                lock_file.unlink()
            else:
                lock_file.write_text("\n".join([str(IMPOSSIBLE_PID), *lines[1:]]))


def _reachable_data_dir(wanted: Path) -> Path:
    """Return `wanted`, or a place under /var/lib if the account standing in for root cannot reach it.

    A cluster that exists stays in its place.
    """
    if os.geteuid() != 0 or wanted.exists():
        return wanted
    elsewhere = SYSTEM_STATE_DIR / f"countinghouse-{_digest(wanted)}" / wanted.name
    if elsewhere.exists() or not ServerAccount.standing_in_for_root().can_reach(wanted.parent):
        return elsewhere
    return wanted


def _socket_dir(data_dir: Path, account: ServerAccount) -> Path:
    """Return the private data directory, or another if its path is too long, or looks like a list of hosts."""
    if len(os.fsencode(data_dir / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX and "," not in str(data_dir):
        return data_dir
    return Path("/tmp") / f"countinghouse-{account.uid}-{_digest(data_dir)}"  # noqa: S108 - its owner and mode are verified


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _make_directories(directory: Path) -> None:
    """Create directories that the server's account may pass through. Existing ones stay as they are."""
    for missing in [parent for parent in (directory, *directory.parents) if not parent.exists()][::-1]:
        missing.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            missing.chmod(0o755)
