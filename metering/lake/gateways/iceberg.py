"""The lake: Iceberg tables in a folder or in a bucket, their catalogue in PostgreSQL.

The libraries (pyiceberg, pyarrow, SQLAlchemy) are the extra `lake`. Parts of a table (days of events, months of
anything else) are replaced as a whole in one commit: the files of them that were there go, and the new ones come. So a
part that is written twice is there once, and a process that dies before the commit leaves all as it was.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from metering.errors import QueryTooLargeError
from metering.lake.domain.parts import Part, PartContent
from metering.lake.domain.tables import LakeColumn
from metering.lake.errors import LakeUnavailableError
from metering.lake.gateways.part_files import (
    BATCH_ROWS,
    BUCKETS,
    PartStream,
    WrittenPart,
    content_of,
    dataset_of,
)

try:
    import pyarrow as pa
    from pyarrow import compute, parquet
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError
    from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan
    from pyiceberg.expressions.visitors import bind
    from pyiceberg.io.pyarrow import expression_to_pyarrow, schema_to_pyarrow
    from pyiceberg.manifest import DataFile
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

# It logs each file that it opens.
logging.getLogger("pyiceberg").setLevel(logging.WARNING)

NAMESPACE: Final = "countinghouse"
CATALOG: Final = "countinghouse"
# Options of Django's connection that the server's own library does not know.
_NOT_OF_LIBPQ: Final = frozenset({"prepare_threshold", "pool", "cursor_factory", "server_side_binding"})
MISSING: Final = "The lake needs the extra lake: run make lake, or pip install -r deploy/lake/requirements.txt."
_FILE_IO: Final = "pyiceberg.io.pyarrow.PyArrowFileIO"
TOO_MANY_BYTES: Final = "These are too many rows. Give `start` and `end`, and a shorter span of time."
REASON_CHARACTERS_MAX: Final = 300
# Seconds after which a store is asked again, and then given up.
_PATIENCE: Final = {"s3.connect-timeout": "5", "s3.request-timeout": "60"}


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
    bytes_max: int = 2**36
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
    store = dict(_PATIENCE)
    if settings.LAKE_S3_ENDPOINT:
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        store |= {"s3.endpoint": settings.LAKE_S3_ENDPOINT, "s3.region": region}
    return Lake(LakePlace(settings.LAKE_URL, address.render_as_string(hide_password=False), store))


class Lake:
    """The tables of the lake, each created when it is first written to."""

    def __init__(self, place: LakePlace) -> None:
        """Connect to the catalogue. Raises `LakeUnavailableError` if the extra is not installed."""
        if pa is None:
            raise LakeUnavailableError(MISSING)
        properties = {"uri": place.database, "warehouse": place.url, "init_catalog_tables": "false"}
        self._url = place.url
        self._catalog = SqlCatalog(CATALOG, **properties, **{"py-io-impl": _FILE_IO}, **place.store)

    def close(self) -> None:
        """Close the connections to the catalogue."""
        self._catalog.engine.dispose()

    def stream(self, executor: Executor, part: Part) -> PartStream:
        """Return a stream for the rows of a part. Its files are in no table before `commit`."""
        with self._sentences():
            return PartStream(executor, self._table(part), part)

    def commit(self, parts: Sequence[WrittenPart]) -> None:
        """Store parts of one table in place of what the table has of them, in one step."""
        written = [part for part in parts if part.files or part.part.table.name in self._known()]
        if not written:
            return
        with self._sentences():
            table = self._table(written[0].part)
            old = [file for part in written for file in _files_of(table, part.part)]
            new = [file for part in written for file in part.files]
            if not old and not new:
                return
            with table.transaction() as change, change.update_snapshot().overwrite() as snapshot:
                for file in old:
                    snapshot.delete_data_file(file)
                for file in new:
                    snapshot.append_data_file(file)

    def remove(self, parts: Sequence[Part]) -> None:
        """Delete parts of one table."""
        self.commit([WrittenPart(part, [], PartContent(), PartContent()) for part in parts])

    def content(self, part: Part) -> PartContent:
        """Read a part back, and return its number of rows, the sum of its quantities, its digest and its voids."""
        with self._sentences():
            table = self._existing(part.table.name)
            return PartContent() if table is None else content_of(table, _files_of(table, part), part)

    def copy(self, name: str, file: Path, question: LakeQuestion) -> int:
        """Write the rows of a table that a question may see to a Parquet file, and return their number.

        It ends behind `rows_max`: a larger number says that there are more. Without the table there is no file.
        Raises `QueryTooLargeError` if the rows are more than `bytes_max` bytes.
        """
        rows = size = 0
        with self._sentences():
            table = self._existing(name)
            if table is None:
                return 0
            reader = _reader(table, question.condition(), (*question.columns, "tenant_id"))
            with parquet.ParquetWriter(file, reader.schema, compression="none") as writer:
                for batch in reader:
                    rows, size = rows + batch.num_rows, size + batch.nbytes
                    if size > question.bytes_max:
                        raise QueryTooLargeError(TOO_MANY_BYTES)
                    if rows > question.rows_max:
                        break
                    writer.write_batch(_renamed(batch, question.slugs))
        return rows

    def files(self, name: str) -> list[str]:
        """Return the addresses of a table's data files."""
        table = self._existing(name)
        return [] if table is None else sorted(task.file.file_path for task in table.scan().plan_files())

    def _known(self) -> set[str]:
        return {name for _, name in self._catalog.list_tables(NAMESPACE)} if self._has_namespace() else set()

    def _has_namespace(self) -> bool:
        return (NAMESPACE,) in self._catalog.list_namespaces()

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Raise what the store refused, or that it cannot be reached, as a sentence."""
        try:
            yield
        except OSError as error:
            reason = " ".join(str(error).split())[:REASON_CHARACTERS_MAX]
            raise LakeUnavailableError(f"The lake at {self._url} cannot be used: {reason}") from error

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


def _files_of(table: "Table", part: Part) -> "list[DataFile]":
    """Return the files of a part. No file has deletions beside it, since only this module writes."""
    tasks = list(table.scan(row_filter=_of_part(part)).plan_files())
    assert not any(task.delete_files for task in tasks), "a part is replaced as a whole"
    return [task.file for task in tasks]


def _reader(table: "Table", condition: Any, columns: Sequence[str]) -> "pa.RecordBatchReader":
    """Return the rows that fulfil a condition, in batches; of a few at a time, however large the files are.

    PyIceberg's own reader keeps each file as a whole.
    """
    scan = table.scan(row_filter=condition)
    files = [task.file for task in scan.plan_files()]
    schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
    wanted = [name for name in schema.names if name in columns]
    if not files:
        return pa.RecordBatchReader.from_batches(pa.schema([schema.field(name) for name in wanted]), [])
    bound = bind(table.schema(), scan.row_filter, case_sensitive=True)
    scanner = dataset_of(table, files).scanner(
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
