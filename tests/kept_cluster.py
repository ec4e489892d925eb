"""Keeps a stopped cluster with a migrated template in it from one test run to the next.

Initialising a cluster and migrating take seconds, and give the same files until one of the sources that determine the
schema changes. So the files are kept, in one archive named after a digest of those sources, in the user's cache
directory, for all checkouts together. An archive is renamed into its place when it is complete and never changed
afterwards, so that any number of runs may write, read and remove at once. COUNTINGHOUSE_TEST_CACHE names another
directory, or nothing to keep nothing.
"""

import contextlib
import hashlib
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from config import settings
from config.operations import database_logins, database_roles, row_security
from config.operations.management.commands import migrate
from config.workbench.embedded_postgres.account import ServerAccount

ROOT = Path(__file__).resolve().parent.parent
APPS = ("accounts", "billing", "config", "metering", "portal")
# What determines the schema, its first rows and the rights on it: these modules, each SQL file, and all below these
# names.
DECIDING_MODULES = (database_logins, database_roles, row_security, migrate, settings)
DECIDING_NAMES = {"migrations", "djstripe_migrations", "models", "models.py", "apps.py", "embedded_postgres"}
UNUSED_SECONDS_MAX = 7 * 24 * 3600


class KeptCluster:
    """The archive for the present sources, which may not exist yet."""

    def __init__(self, *, postgres_major: int) -> None:
        """Name the archive, without touching the disk."""
        self.directory = cache_directory()
        self.path = self.directory / f"{digest_of_sources(postgres_major)}.tar" if self.directory else None

    def unpack(self, data_dir: Path, account: ServerAccount) -> bool:
        """Unpack the archive into `data_dir`. Return False if there is none."""
        if self.path is None or not self.path.exists():
            return False
        try:
            os.utime(self.path)
            archive = self.path.open("rb")
        except FileNotFoundError:  # another run removed it just now
            return False
        data_dir.mkdir(parents=True, exist_ok=True)
        with archive:  # by the program, which takes a third of the CPU that `tarfile` does
            subprocess.run(["tar", "-x", "-C", data_dir], stdin=archive, check=True, timeout=120)
        give_to(account, data_dir)
        return True

    def keep(self, data_dir: Path) -> None:
        """Archive a stopped cluster, and remove archives that no run has used for a week."""
        if self.path is None or self.directory is None:
            return
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            tempfile.NamedTemporaryFile(dir=self.directory, delete=False) as file,
            tarfile.open(fileobj=file, mode="w") as archive,
        ):
            archive.add(data_dir, ".")
        Path(file.name).rename(self.path)
        self._remove_unused()

    def kept_beside(self, name: str) -> bytes | None:
        """Return a file that an earlier run with these sources kept beside the archive, if there is one."""
        if self.path is None:
            return None
        file = self.path.with_suffix(f".{name}")
        try:
            os.utime(file)
            return file.read_bytes()
        except FileNotFoundError:
            return None

    def keep_beside(self, name: str, content: bytes) -> None:
        """Keep a file beside the archive, for what else takes long to compute from these sources."""
        if self.path is None or self.directory is None:
            return
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.directory, delete=False) as file:
            file.write(content)
        Path(file.name).rename(self.path.with_suffix(f".{name}"))

    def _remove_unused(self) -> None:
        assert self.directory is not None
        assert self.path is not None
        newest = self.path.stat().st_mtime  # the run's clock may be shifted
        for old in self.directory.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if newest - old.stat().st_mtime > UNUSED_SECONDS_MAX:
                    old.unlink()


def cache_directory() -> Path | None:
    """Return the directory of the archives, or None if none are kept."""
    named = os.environ.get("COUNTINGHOUSE_TEST_CACHE")
    if named is not None:
        return Path(named) if named else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "countinghouse-tests"


def sources() -> list[Path]:
    """List the files that determine the schema."""
    modules = [Path(module.__file__) for module in DECIDING_MODULES if module.__file__]
    files = [path for app in APPS for path in (ROOT / app).rglob("*") if path.suffix in {".py", ".sql"}]
    deciding = [path for path in files if path.suffix == ".sql" or DECIDING_NAMES & set(path.relative_to(ROOT).parts)]
    return sorted({*modules, *deciding, ROOT / "requirements.txt", Path(__file__)})


def digest_of_sources(postgres_major: int) -> str:
    """Compute the archive's name for these sources on this kind of machine."""
    role = os.environ.get("DATABASE_ROLE", "")
    digest = hashlib.sha256(f"{sys.platform} {platform.machine()} {postgres_major} {role}".encode())
    for path in sources():
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


def give_to(account: ServerAccount, data_dir: Path) -> None:
    """Set the account that runs the server as the owner of the files."""
    if not account.is_another_user:
        return
    for directory, _, names in os.walk(data_dir):
        os.chown(directory, account.uid, account.gid)
        for name in names:
            os.chown(Path(directory) / name, account.uid, account.gid)
