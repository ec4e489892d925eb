"""Where followed logs are: a file with its rotations, or a folder.

A file is known by its device and inode, so that a renamed file stays the same one, and a new file under an old name is
another one.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol


class StoredLog(NamedTuple):
    """A file of a store, as it was when it was listed."""

    name: str
    identity: str
    size_bytes: int
    modified_at: datetime


class LogStore(Protocol):
    """A place of logs. `is_growing` says if its plain files may grow."""

    @property
    def is_growing(self) -> bool:
        """Return whether plain files are read as they grow."""

    def logs(self, since: datetime) -> list[StoredLog]:
        """Return the files, the oldest first; of a single log its rotations that were written after `since`."""

    def open(self, log: StoredLog) -> BinaryIO | None:
        """Open a file, or return None if another one has its name now."""


class LocalLogs:
    """Files of this machine: one log, or all files of a folder and of the folders in it."""

    is_growing = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def logs(self, since: datetime) -> list[StoredLog]:
        """Return the files, the oldest first."""
        found = [log for path in self._paths() if (log := _stored(path)) is not None]
        name = str(self._path)
        kept = [log for log in found if log.name == name or self._path.is_dir() or log.modified_at >= since]
        return sorted(kept, key=lambda log: (log.modified_at, log.name == name, log.name))

    def open(self, log: StoredLog) -> BinaryIO | None:
        """Open a file, or return None if it is gone, or another one has its name now."""
        try:
            stream = Path(log.name).open("rb")  # noqa: SIM115 - the caller closes it
        except FileNotFoundError:
            return None
        if _identity(os.fstat(stream.fileno())) == log.identity:
            return stream
        stream.close()
        return None

    def _paths(self) -> Iterator[Path]:
        if self._path.is_dir():
            yield from (path for path in self._path.rglob("*") if not path.name.startswith("."))
            return
        yield self._path
        for path in self._path.parent.iterdir():
            if path.name.startswith((f"{self._path.name}.", f"{self._path.name}-")):
                yield path


def _stored(path: Path) -> StoredLog | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if not path.is_file():
        return None
    return StoredLog(str(path), _identity(status), status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _identity(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}"
