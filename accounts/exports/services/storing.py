"""Files of an export: rows become JSON or gzipped NDJSON, in pieces of a megabyte, whatever their number."""

import gzip
import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from accounts.domain.plain import to_plain
from accounts.exports.models import ExportChunk, ExportFile, TenantExport
from accounts.services.privacy_parts import ExportedDocument, ExportedRows, ExportPiece

CHUNK_BYTES: Final = 1024 * 1024
Beat = Callable[[], None]


def store_piece(*, export: TenantExport, position: int, piece: ExportPiece, beat: Beat) -> ExportFile:
    """Store one file from its beginning, replacing what an interrupted worker left, and return it complete.

    `beat` is called after each page. It renews the worker's claim, and raises if another worker has taken over.
    """
    ExportFile.objects.filter(export=export, name=piece.name).delete()
    file = ExportFile.objects.create(export=export, position=position, name=piece.name)
    outlet = _Chunks(file.pk)
    if isinstance(piece, ExportedDocument):
        outlet.write(piece.read())
    elif piece.name.endswith(".gz"):
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=outlet, mtime=0) as packed:
            file.rows = _write_lines(piece, packed.write, beat)
    else:
        file.rows = _write_array(piece, outlet.write, beat)
    outlet.flush(is_last=True)
    beat()
    file.size_bytes, file.sha256 = outlet.size, outlet.digest.hexdigest()
    file.save(update_fields=["rows", "size_bytes", "sha256"])
    return file


def _write_lines(piece: ExportedRows, write: Callable[[bytes], object], beat: Beat) -> int:
    """Write one row per line, and return the number of rows."""
    count = 0
    for page in piece.pages():
        write(b"".join(_as_json(row) + b"\n" for row in page))
        count += len(page)
        beat()
    return count


def _write_array(piece: ExportedRows, write: Callable[[bytes], object], beat: Beat) -> int:
    """Write one JSON array with one row per line, and return the number of rows."""
    count = 0
    write(b"[")
    for page in piece.pages():
        for row in page:
            write((b",\n" if count else b"\n") + _as_json(row))
            count += 1
        beat()
    write(b"\n]\n")
    return count


def _as_json(row: dict[str, object]) -> bytes:
    return msgspec.json.encode(to_plain(row))


class _Chunks:
    """A file that is stored as rows of a megabyte."""

    def __init__(self, file_id: int) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._file_id = file_id
        self._position = 0
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        """Collect the bytes, and store each full megabyte."""
        self._held += data
        self.digest.update(data)
        self.size += len(data)
        self.flush()
        return len(data)

    def flush(self, *, is_last: bool = False) -> None:
        """Store what is full; at the end of the file, the rest."""
        while len(self._held) >= CHUNK_BYTES or (is_last and self._held):
            content = bytes(self._held[:CHUNK_BYTES])
            del self._held[:CHUNK_BYTES]
            ExportChunk.objects.create(file_id=self._file_id, position=self._position, content=content)
            self._position += 1
