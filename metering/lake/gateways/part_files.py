"""Rows of a part on their way from PostgreSQL's COPY into Parquet files, in bounded memory.

The rows come through a pipe, which another thread reads: so PostgreSQL and the writer work at the same time. Each
bucket of tenants is a file, written in groups of rows. When all is written the files are read back, and rows, sums and
digests are computed again from what was read. A file is in no table until `iceberg.Lake.commit` adds it to one.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO, Final, cast
from uuid import uuid4

import duckdb

from metering.lake.domain.parts import Part, PartContent, compared, void_column
from metering.lake.domain.tables import LakeColumn

try:
    import pyarrow as pa
    from pyarrow import compute, csv, dataset
    from pyiceberg.io.pyarrow import ParquetFormatModel, PyArrowFileIO, schema_to_pyarrow
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.table import Table
    from pyiceberg.table.locations import load_location_provider
    from pyiceberg.transforms import BucketTransform
    from pyiceberg.typedef import Record
    from pyiceberg.types import StringType
except ModuleNotFoundError:  # pragma: no cover - the extra is installed with the tests
    pa = None

BUCKETS: Final = 16
# A block of CSV in memory, and the rows that wait for their group, in one bucket and in all.
BLOCK_BYTES: Final = 4 * 2**20
GROUP_BYTES: Final = 16 * 2**20
WAITING_BYTES: Final = 64 * 2**20
# A part that is not written and read back by then never will be.
PART_SECONDS_MAX: Final = 4 * 3600
# Rows that are read at a time.
BATCH_ROWS: Final = 16_384
# The last column of the stream: 60 bits of the digest of a row, as PostgreSQL computed it.
DIGEST: Final = "row_digest"
_LOW: Final = 2**30 - 1


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A part whose files are written, and in no table yet: what was sent, and what was read back from the files."""

    part: Part
    files: "list[DataFile]"
    sent: PartContent
    stored: PartContent


class PartStream:
    """The rows of a part, written by one thread while another makes files of them."""

    def __init__(self, executor: Executor, table: "Table", part: Part) -> None:
        """Start to read. The caller writes the rows, closes the stream, and asks for what was written."""
        source, sink = os.pipe()
        self._sink = os.fdopen(sink, "wb", buffering=2**18)
        self._reader = executor.submit(_write_part, table, part, source)

    def write(self, block: bytes) -> None:
        """Add a block of CSV. Raises `BrokenPipeError` if the reader failed: `written` raises why."""
        self._sink.write(block)

    def close(self) -> None:
        """End the rows."""
        self._sink.close()

    def written(self) -> WrittenPart:
        """Return what was written and read back, once it is. Raises whatever the reader failed with."""
        return self._reader.result(PART_SECONDS_MAX)


class _Files:
    """The files of a part: one for each bucket, or one in all for a table that is partitioned by month alone."""

    def __init__(self, table: "Table", part: Part) -> None:
        self._table, self._part = table, part
        self._locations = load_location_provider(table.location(), table.properties)
        self._waiting: dict[int, list[pa.Table]] = {}
        self._bytes: dict[int, int] = {}
        self._open: dict[int, tuple[str, Any, Any]] = {}

    def add(self, rows: "pa.Table") -> None:
        """Add rows, which are sorted by tenant."""
        for bucket, some in _by_bucket(rows) if self._part.table.is_by_day else [(0, rows)]:
            self._waiting.setdefault(bucket, []).append(some)
            self._bytes[bucket] = self._bytes.get(bucket, 0) + some.nbytes
            if self._bytes[bucket] >= GROUP_BYTES:
                self._write(bucket)
        while sum(self._bytes.values()) > WAITING_BYTES:
            self._write(max(self._bytes, key=self._bytes.__getitem__))

    def close(self) -> "list[DataFile]":
        """Write what waits, close the files, and return them."""
        for bucket in list(self._waiting):
            self._write(bucket)
        return [self._finished(bucket) for bucket in sorted(self._open)]

    def _write(self, bucket: int) -> None:
        if bucket not in self._open:
            folder = self._table.spec().partition_to_path(self._record(bucket), self._table.schema())
            address = self._locations.new_data_location(f"{folder}/{uuid4()}.parquet")
            output = self._table.io.new_output(address)
            writer = ParquetFormatModel().create_writer(output, self._table.schema(), self._table.properties)
            self._open[bucket] = address, output, writer
        self._open[bucket][2].write(pa.concat_tables(self._waiting.pop(bucket)))
        self._bytes.pop(bucket)

    def _finished(self, bucket: int) -> "DataFile":
        address, output, writer = self._open[bucket]
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=address,
            file_format=FileFormat.PARQUET,
            partition=self._record(bucket),
            spec_id=self._table.spec().spec_id,
            sort_order_id=None,
            equality_ids=None,
            key_metadata=None,
            **writer.close().to_serialized_dict(),
            file_size_in_bytes=len(output),
        )

    def _record(self, bucket: int) -> "Record":
        """Return the values of the partition, as Iceberg's transforms compute them: since 1970, then the bucket."""
        first = self._part.starts_on
        if self._part.table.is_by_day:
            return Record((first - date(1970, 1, 1)).days, bucket)
        return Record((first.year - 1970) * 12 + first.month - 1)


def content_of(table: "Table", files: "list[DataFile]", part: Part) -> PartContent:
    """Read files of a part, and return its number of rows, the sums of quantities and digests, and voids."""
    if not files:
        return PartContent()
    reader = dataset_of(table, files).scanner(batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1)
    with duckdb.connect(config={"threads": 1}) as server:
        server.execute("SET TimeZone = 'UTC'")
        server.register("part", reader.to_reader())
        found = server.execute(
            f"SELECT count(*), coalesce(sum(quantity), 0), coalesce(sum({_digest(part)}), 0),"
            f" count({void_column(part.table)}) FROM part"
        ).fetchone()
    assert found is not None, "an aggregate has one row"
    return PartContent(*found)


def dataset_of(table: "Table", files: "list[DataFile]") -> "dataset.Dataset":
    """Return files of a table, one or more, as a dataset."""
    places = [PyArrowFileIO.parse_location(file.file_path) for file in files]
    scheme, host, _ = places[0]
    store = cast("PyArrowFileIO", table.io).fs_by_scheme(scheme, host)
    schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
    return dataset.dataset([path for _, _, path in places], schema, format="parquet", filesystem=store)


def _write_part(table: "Table", part: Part, source: int) -> WrittenPart:
    sent, files = PartContent(), _Files(table, part)
    schema = schema_to_pyarrow(table.schema())
    with os.fdopen(source, "rb", buffering=2**18) as pipe:
        for rows in _blocks(part, pipe):
            sent = _plus(sent, rows, part)
            files.add(rows.drop_columns([DIGEST]).cast(schema))
    written = files.close()
    return WrittenPart(part, written, sent, content_of(table, written, part))


def _blocks(part: Part, pipe: BinaryIO) -> "Iterator[pa.Table]":
    """Yield the rows of a stream of CSV in blocks, with their digests."""
    if not pipe.peek(1):  # type: ignore[attr-defined]  # it is buffered
        return
    kinds = {column.name: _arrow_kind(column.kind) for column in part.table.in_lake} | {DIGEST: pa.int64()}
    reader = csv.open_csv(
        pa.PythonFile(pipe, "r"),
        read_options=csv.ReadOptions(column_names=list(kinds), block_size=BLOCK_BYTES),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={name: pa.int64() if pa.types.is_timestamp(kind) else kind for name, kind in kinds.items()},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    for batch in reader:
        yield pa.Table.from_batches([batch]).cast(pa.schema(list(kinds.items())))


def _plus(content: PartContent, rows: "pa.Table", part: Part) -> PartContent:
    """Add what PostgreSQL sent: the quantities, and its own digests of the rows."""
    digests = rows[DIGEST]
    # In two halves, since a sum of 60 bits would leave the 64.
    high = compute.sum(compute.shift_right(digests, 30)).as_py()
    low = compute.sum(compute.bit_wise_and(digests, _LOW)).as_py()
    quantity = rows["quantity"]
    wide = quantity.cast(pa.decimal256(76, quantity.type.scale))
    name = void_column(part.table)
    voids = rows.num_rows - rows[name].null_count if name in rows.column_names else 0
    return PartContent(
        content.rows + rows.num_rows,
        content.quantity + (compute.sum(wide).as_py() or Decimal(0)),
        content.digest + (high << 30) + low,
        content.voids + voids,
    )


def _by_bucket(rows: "pa.Table") -> "Iterator[tuple[int, pa.Table]]":
    """Yield runs of rows of one tenant, with the bucket of Iceberg's transform."""
    bucket_of = BucketTransform(BUCKETS).transform(StringType())
    runs = compute.run_end_encode(rows["tenant_id"].combine_chunks())
    begin = 0
    for end, tenant_id in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
        bucket = bucket_of(tenant_id)
        assert bucket is not None, "each row has a tenant"
        yield bucket, rows.slice(begin, end - begin)
        begin = end


def _digest(part: Part) -> str:
    """Return the digest of a row in DuckDB: 60 bits of the MD5 of its values, as `selectors.parts` computes it."""
    return f"('0x' || substr(md5({' || '.join(_text(column) for column in compared(part.table))}), 1, 15))::BIGINT"


def _text(column: LakeColumn) -> str:
    name = f'"{column.name}"'
    if column.kind == "TIMESTAMPTZ":
        name = f"epoch_us({name})"
    return f"coalesce('|' || {name}::VARCHAR, '-')"


def _arrow_kind(kind: str) -> Any:
    if kind.startswith("DECIMAL"):
        digits, places = kind.removeprefix("DECIMAL(").removesuffix(")").split(",")
        return pa.decimal128(int(digits), int(places))
    return {
        "VARCHAR": pa.string(),
        "JSON": pa.string(),
        "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
        "DATE": pa.date32(),
        "BIGINT": pa.int64(),
        "INTEGER": pa.int32(),
        "BOOLEAN": pa.bool_(),
    }[kind]
