"""Files of an export: rows and documents, in pieces of a bounded size."""

import gzip
import json

from accounts.exports.models import ExportChunk, ExportFile, TenantExport
from accounts.exports.services.storing import CHUNK_BYTES, store_piece
from accounts.services.privacy_parts import ExportedDocument, ExportedRows, ExportPiece


def stored(export: TenantExport, piece: ExportPiece) -> tuple[ExportFile, bytes]:
    file = store_piece(export=export, position=0, piece=piece, beat=lambda: None)
    chunks = ExportChunk.objects.filter(file=file).order_by("position").values_list("content", flat=True)
    assert all(len(bytes(chunk)) <= CHUNK_BYTES for chunk in chunks)
    return file, b"".join(bytes(chunk) for chunk in chunks)


def test_rows_become_an_array_or_a_line_each(export: TenantExport) -> None:
    pages = [[{"id": 1, "name": "é"}], [{"id": 2, "name": "\n"}]]
    file, content = stored(export, ExportedRows("rows.json", lambda: iter(pages)))
    assert (json.loads(content), file.rows) == ([*pages[0], *pages[1]], 2)
    file, content = stored(export, ExportedRows("rows.ndjson.gz", lambda: iter(pages)))
    assert [json.loads(line) for line in gzip.decompress(content).splitlines()] == [*pages[0], *pages[1]]
    file, content = stored(export, ExportedRows("none.json", lambda: iter([])))
    assert (json.loads(content), file.rows) == ([], 0)


def test_a_long_document_is_kept_in_pieces_and_whole(export: TenantExport) -> None:
    document = bytes(range(256)) * 10_000
    file, content = stored(export, ExportedDocument("long.pdf", lambda: document))
    assert (content, file.rows, file.size_bytes) == (document, None, len(document))
    assert ExportChunk.objects.filter(file=file).count() == 3
