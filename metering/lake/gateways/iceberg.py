"""The lake: Iceberg tables in a folder or in a bucket, their catalogue in PostgreSQL.

The libraries (pyiceberg, pyarrow, SQLAlchemy) are the extra `lake`. A part of a table, which is a day of events or a
month of anything else, is replaced as a whole in one commit: what was there of it goes, and the new rows come, in any
number of blocks. So a part that is written twice is there once, and a process that dies in it leaves it as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

import duckdb
from django.conf import settings

from metering.lake.domain.parts import Part, PartContent, compared, void_column
from metering.lake.domain.tables import LakeColumn
from metering.lake.errors import LakeUnavailableError

try:
    import pyarrow as pa
    from pyarrow import compute, csv, dataset, parquet
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError
    from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan
    from pyiceberg.expressions.visitors import bind
    from pyiceberg.io.pyarrow import PyArrowFileIO, expression_to_pyarrow, schema_to_pyarrow
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.sorting import SortField, SortOrder
    from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform, MonthTransform
    from pyiceberg.types import (
        BooleanType,
        DateType,
        DecimalType,
        IntegerType,
        LongType,
        NestedField,
        StringType,
        TimestamptzType,
    )
    from sqlalchemy.engine import URL

    # Their types know only the forms that pydantic reads.
    _EQUAL: Any = EqualTo
    _FROM: Any = GreaterThanOrEqual
    _BEFORE: Any = LessThan
except ModuleNotFoundError:  # pragma: no cover - the extra is installed with the tests
    pa = None

NAMESPACE: Final = "countinghouse"
CATALOG: Final = "countinghouse"
BUCKETS: Final = 16
# Options of Django's connection that the server's own library does not know.
_NOT_OF_LIBPQ: Final = frozenset({"prepare_threshold", "pool", "cursor_factory", "server_side_binding"})
MISSING: Final = "The lake needs the extra lake: run make lake, or pip install -r deploy/lake/requirements.txt."
_FILE_IO: Final = "pyiceberg.io.pyarrow.PyArrowFileIO"
# A block of rows in memory: about 60,000 rows of access logs.
BLOCK_BYTES: Final = 32 * 2**20
# Rows that are read at a time.
BATCH_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True)
class LakePlace:
    """Where the files are (`file:///…` or `s3://bucket/prefix`), and the address of the catalogue's database."""

    url: str
    database: str
    store: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LakeQuestion:
    """Which rows of a table a question may see: of one tenant, or of all; in a span of `time`."""

    columns: Sequence[str]
    time: str
    start: datetime | None
    end: datetime | None
    rows_max: int
    tenant_id: str | None = None
    is_live: bool = True
    # The slugs that tenants have now, by their ids: the lake has those of the time of sealing.
    slugs: Mapping[str, str] = field(default_factory=dict)

    def condition(self) -> Any:
        """Return the condition on rows."""
        wanted: list[Any] = []
        if self.tenant_id:
            wanted += [_EQUAL("tenant_id", self.tenant_id), _EQUAL("is_live", self.is_live)]
        if self.start:
            wanted.append(_FROM(self.time, self.start.isoformat()))
        if self.end:
            wanted.append(_BEFORE(self.time, self.end.isoformat()))
        return And(*wanted) if len(wanted) > 1 else wanted[0] if wanted else "true"


def lake_of_settings() -> "Lake":
    """Return the lake of the settings. Raises `LakeUnavailableError`. Whoever opens it closes it."""
    if pa is None:
        raise LakeUnavailableError(MISSING)
    login = settings.DATABASES["default"]
    options = {name: str(value) for name, value in login["OPTIONS"].items() if name not in _NOT_OF_LIBPQ and value}
    place = {"host": login["HOST"], "port": str(login["PORT"])}
    address = URL.create(
        "postgresql+psycopg",
        username=login["USER"],
        password=login["PASSWORD"] or None,
        database=login["NAME"],
        query={name: value for name, value in (place | options).items() if value},
    )
    store = {"s3.endpoint": settings.LAKE_S3_ENDPOINT} if settings.LAKE_S3_ENDPOINT else {}
    return Lake(LakePlace(settings.LAKE_URL, address.render_as_string(hide_password=False), store))


class Lake:
    """The tables of the lake, each created when it is first written to."""

    def __init__(self, place: LakePlace) -> None:
        """Connect to the catalogue. Raises `LakeUnavailableError` if the extra is not installed."""
        if pa is None:
            raise LakeUnavailableError(MISSING)
        properties = {"uri": place.database, "warehouse": place.url, "init_catalog_tables": "false"}
        self._catalog = SqlCatalog(CATALOG, **properties, **{"py-io-impl": _FILE_IO}, **place.store)

    def close(self) -> None:
        """Close the connections to the catalogue."""
        self._catalog.engine.dispose()

    def replace(self, part: Part, file: Path) -> None:
        """Write the rows of a CSV file as a part of its table, in place of what was there of it."""
        table = self._table(part)
        with table.transaction() as change:
            if _has_files(table, part):
                change.delete(_of_part(part))
            for block in _blocks(part, file):
                change.append(block)

    def remove(self, part: Part) -> None:
        """Delete a part of a table."""
        table = self._existing(part.table.name)
        if table is not None and _has_files(table, part):
            with table.transaction() as change:
                change.delete(_of_part(part))

    def content(self, part: Part) -> PartContent:
        """Read a part back, and return its number of rows, the sum of its quantities, and its digest."""
        table = self._existing(part.table.name)
        if table is None:
            return PartContent()
        reader = _reader(table, _of_part(part))
        with duckdb.connect(config={"threads": 2}) as server:
            server.execute("SET TimeZone = 'UTC'")
            server.register("part", reader)
            found = server.execute(
                f"SELECT count(*), coalesce(sum(quantity), 0), coalesce(sum({_digest(part)}), 0),"
                f" count({void_column(part.table)}) FROM part"
            ).fetchone()
        assert found is not None, "an aggregate has one row"
        return PartContent(*found)

    def size(self, part: Part) -> tuple[int, int]:
        """Return the number of files of a part, and their bytes."""
        table = self._existing(part.table.name)
        tasks = [] if table is None else list(table.scan(row_filter=_of_part(part)).plan_files())
        return len(tasks), sum(task.file.file_size_in_bytes for task in tasks)

    def copy(self, name: str, file: Path, question: LakeQuestion) -> int:
        """Write the rows of a table that a question may see to a Parquet file, and return their number.

        It ends behind `rows_max`: a larger number says that there are more. Without the table there is no file.
        """
        table = self._existing(name)
        if table is None:
            return 0
        rows = 0
        reader = _reader(table, question.condition(), (*question.columns, "tenant_id"))
        with parquet.ParquetWriter(file, reader.schema, compression="none") as writer:
            for batch in reader:
                rows += batch.num_rows
                if rows > question.rows_max:
                    break
                writer.write_batch(_renamed(batch, question.slugs))
        return rows

    def files(self, name: str) -> list[str]:
        """Return the addresses of a table's data files."""
        table = self._existing(name)
        return [] if table is None else sorted(task.file.file_path for task in table.scan().plan_files())

    def _existing(self, name: str) -> "Table | None":
        try:
            return self._catalog.load_table((NAMESPACE, name))
        except NoSuchTableError:
            return None

    def _table(self, part: Part) -> "Table":
        found = self._existing(part.table.name)
        if found is not None:
            return found
        with suppress(NamespaceAlreadyExistsError):
            self._catalog.create_namespace(NAMESPACE)
        schema = _schema(part.table.in_lake)
        return self._catalog.create_table(
            (NAMESPACE, part.table.name),
            schema=schema,
            partition_spec=_partitions(schema, part),
            sort_order=_order(schema, part),
            properties={"write.parquet.compression-codec": "zstd"},
        )


def _of_part(part: Part) -> Any:
    return And(_FROM(part.table.time, part.first), _BEFORE(part.table.time, part.last))


def _digest(part: Part) -> str:
    """Return the digest of a row in DuckDB: 60 bits of the MD5 of its values, as `selectors.parts` computes it."""
    return f"('0x' || substr(md5({' || '.join(_text(column) for column in compared(part.table))}), 1, 15))::BIGINT"


def _text(column: LakeColumn) -> str:
    name = f'"{column.name}"'
    if column.kind == "TIMESTAMPTZ":
        name = f"epoch_us({name})"
    return f"coalesce('|' || {name}::VARCHAR, '-')"


def _reader(table: "Table", condition: Any, columns: Sequence[str] | None = None) -> "pa.RecordBatchReader":
    """Return the rows that fulfil a condition, in batches; of a few at a time, however large the files are.

    PyIceberg's own reader keeps each file as a whole. No file has deletions beside it, since only this module writes.
    """
    scan = table.scan(row_filter=condition)
    tasks = list(scan.plan_files())
    assert not any(task.delete_files for task in tasks), "a part is replaced as a whole"
    schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
    wanted = [name for name in schema.names if columns is None or name in columns]
    if not tasks:
        schema = pa.schema([schema.field(name) for name in wanted])
        return pa.RecordBatchReader.from_batches(schema, [])
    places = [PyArrowFileIO.parse_location(task.file.file_path) for task in tasks]
    scheme, host, _ = places[0]
    store = cast("PyArrowFileIO", table.io).fs_by_scheme(scheme, host)
    files = dataset.dataset([path for _, _, path in places], schema, format="parquet", filesystem=store)
    bound = bind(table.schema(), scan.row_filter, case_sensitive=True)
    scanner = files.scanner(
        wanted, expression_to_pyarrow(bound), batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1
    )
    return scanner.to_reader()


def _renamed(batch: "pa.RecordBatch", slugs: Mapping[str, str]) -> "pa.RecordBatch":
    """Return rows with the slugs that their tenants have now."""
    if not slugs or "tenant" not in batch.schema.names:
        return batch
    ids = batch.column("tenant_id")
    found = compute.index_in(ids, pa.array(slugs, ids.type))
    now = pa.array(slugs.values(), ids.type).take(found)
    place = batch.schema.get_field_index("tenant")
    return batch.set_column(place, batch.schema.field(place), compute.coalesce(now, batch.column(place)))


def _has_files(table: "Table", part: Part) -> bool:
    return any(True for _ in table.scan(row_filter=_of_part(part)).plan_files())


def _blocks(part: Part, file: Path) -> "Iterator[pa.Table]":
    """Yield the rows of a file in blocks, sorted as the table is."""
    if file.stat().st_size == 0:
        return
    kinds = {column.name: _arrow_kind(column.kind) for column in part.table.in_lake}
    reader = csv.open_csv(
        file,
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


def _iceberg_kind(kind: str) -> Any:
    if kind.startswith("DECIMAL"):
        digits, places = kind.removeprefix("DECIMAL(").removesuffix(")").split(",")
        return DecimalType(int(digits), int(places))
    return {
        "VARCHAR": StringType(),
        "JSON": StringType(),
        "TIMESTAMPTZ": TimestamptzType(),
        "DATE": DateType(),
        "BIGINT": LongType(),
        "INTEGER": IntegerType(),
        "BOOLEAN": BooleanType(),
    }[kind]


def _schema(columns: Sequence[LakeColumn]) -> "Schema":
    return Schema(
        *(
            NestedField(number, column.name, _iceberg_kind(column.kind), required=False)
            for number, column in enumerate(columns, start=1)
        )
    )


def _partitions(schema: "Schema", part: Part) -> "PartitionSpec":
    time, is_by_day = part.table.time, part.table.is_by_day
    each: Any = DayTransform() if is_by_day else MonthTransform()
    step = PartitionField(schema.find_field(time).field_id, 1000, each, f"{time}_part")
    if not is_by_day:
        return PartitionSpec(step)
    bucket = PartitionField(schema.find_field("tenant_id").field_id, 1001, BucketTransform(BUCKETS), "tenant_bucket")
    return PartitionSpec(step, bucket)


def _order(schema: "Schema", part: Part) -> "SortOrder":
    names = ("tenant_id", "is_live", part.table.time)
    return SortOrder(*(SortField(schema.find_field(name).field_id, IdentityTransform()) for name in names))
