"""Logs in a bucket of S3, or of a store that speaks its protocol: each object below a prefix is read once, as a whole.

The library `obstore` is the extra `s3`. It finds credentials, region and endpoint as AWS's tools do: in the variables
`AWS_…`, in the container's or in the machine's role.
"""

import hashlib
from datetime import datetime
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO, Final, cast

from metering.gateways.log_stores import StoredLog

try:
    import obstore
    from obstore.store import S3Store
except ModuleNotFoundError:  # pragma: no cover - the extra is installed with the tests
    obstore = None  # type: ignore[assignment]  # the commands say which extra is missing

SCHEME: Final = "s3://"
CHUNK_BYTES: Final = 1024 * 1024
# What CloudWatch writes into a bucket to see whether it may.
_PERMISSION_CHECK: Final = "aws-logs-write-test"


class MissingLibraryError(Exception):
    """The extra `s3` is not installed."""


class S3Logs:
    """The objects below a prefix. They do not grow."""

    is_growing = False

    def __init__(self, url: str) -> None:
        """Take `s3://bucket/prefix`. Raises `MissingLibraryError`."""
        if obstore is None:
            raise MissingLibraryError("Reading from S3 needs the extra s3: pip install obstore.")
        bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
        self._store = S3Store(bucket, prefix=prefix or None)
        self._url = f"{SCHEME}{bucket}/{prefix}".rstrip("/")

    def logs(self, since: datetime) -> list[StoredLog]:  # noqa: ARG002 - objects of any age are read once
        """Return the objects, the oldest first. Raises `OSError`."""
        found: list[StoredLog] = []
        try:
            for chunk in obstore.list(self._store):
                found.extend(self._stored(meta) for meta in chunk if _is_log(meta["path"], meta["size"]))
        except obstore.exceptions.BaseError as error:
            raise OSError(f"{self._url} could not be listed: {error}") from error
        return sorted(found, key=lambda log: (log.modified_at, log.name))

    def open(self, log: StoredLog) -> BinaryIO | None:
        """Open an object, or return None if it is gone. Raises `OSError`."""
        try:
            reader = obstore.open_reader(self._store, log.name.removeprefix(f"{self._url}/"), buffer_size=CHUNK_BYTES)
        except FileNotFoundError:
            return None
        except obstore.exceptions.BaseError as error:
            raise OSError(f"{log.name} could not be opened: {error}") from error
        return cast("BinaryIO", BufferedReader(_Object(reader), CHUNK_BYTES))

    def _stored(self, meta: Any) -> StoredLog:
        name = f"{self._url}/{meta['path']}"
        identity = f"{meta['e_tag'] or meta['last_modified'].isoformat()}:{hashlib.sha256(name.encode()).hexdigest()}"
        return StoredLog(name, identity, meta["size"], meta["last_modified"])


class _Object(RawIOBase):
    """The bytes of an object, as a stream of Python's."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # the base says Buffer, which 3.11 cannot name
        try:
            chunk = bytes(self._reader.read(len(buffer)))
        except obstore.exceptions.BaseError as error:
            raise OSError(f"An object could not be read: {error}") from error
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _is_log(path: str, size_bytes: int) -> bool:
    return size_bytes > 0 and not path.endswith(_PERMISSION_CHECK)
