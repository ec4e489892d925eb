"""`manage.py demo_lake`: six months of events in a lake, and an answer in SQL that is compared with `usage`."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from time import monotonic
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.domain.numbers import counted, number_text
from accounts.management.progress import progress
from accounts.models import Tenant
from accounts.services.tenants import open_tenant
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.http_requests import EVENT_TYPE
from metering.domain.ledger import Ledger
from metering.domain.meter_terms import MeterTerms
from metering.domain.periods import Span, YearMonth
from metering.domain.retention import month_after, month_start
from metering.domain.windows import Window
from metering.lake.domain.pieces import RowSource
from metering.lake.domain.questions import Range, SqlBounds
from metering.lake.errors import LakeMismatchError, LakeUnavailableError
from metering.lake.services.querying import query_as_operator
from metering.lake.services.sealing import SealedPart, seal_month
from metering.models import Meter
from metering.selectors.catalog import known_event_types
from metering.selectors.ledgers import half_of
from metering.selectors.usage import meter_named
from metering.selectors.usage_query import UsageQuestion, query_usage
from metering.services.ingest import ingest_events
from metering.services.meters import create_meter

MONTHS: Final = 6
TENANTS: Final = ("harbour", "meadow", "summit")
METER: Final = "lake_demo_bytes"
EVENTS_PER_CALL: Final = 1000
BAR: Final = 24
_PATHS: Final = ("/v1/orders", "/v1/items", "/v1/search", "/v1/reports")
QUERY: Final = """
SELECT strftime(timestamp, '%Y-%m') AS month, tenant, sum(response_length)::BIGINT AS bytes, count(*) AS requests
FROM events WHERE voided_at IS NULL AND is_live AND tenant IN ('harbour', 'meadow', 'summit') GROUP BY ALL ORDER BY ALL
"""
BOUNDS: Final = SqlBounds(
    rows_read_max=20_000_000, bytes_read_max=2**36, rows_max=1000, bytes_max=2**24, memory_mib=512, seconds=120,
    spill_mib=4096,
)  # fmt: skip


class Command(BaseCommand):
    """The command that shows the lake, from events to an answer."""

    help = "Send events of six months, seal the months, ask the lake in SQL, and compare the answer with usage."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the number of events."""
        parser.add_argument("--events", type=int, default=36_000, help="How many events in all; default 36,000.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send, seal, ask and compare. Raises `CommandError` if a figure of the lake is not that of `usage`."""
        as_of = timezone.now()
        months = months_before(as_of)
        begun_at = month_start(months[0])
        tenants = [tenant_named(slug, begun_at) for slug in TENANTS]
        ensure_meter(begun_at)
        each = max(options["events"] // (len(months) * len(tenants)), 1)
        self._send(tenants, months, each, as_of)
        try:
            self._seal(months, as_of)
            began = monotonic()
            answer = query_as_operator(QUERY, span=Range(), bounds=BOUNDS, source=RowSource.LAKE)
        except (LakeUnavailableError, LakeMismatchError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"3. SQL over {counted(answer.rows_read['events'], 'events')} in the lake"
            f" ({monotonic() - began:.1f} s):\n{QUERY}"
        )
        self._compare(answer.rows, list(usage_of(tenants, months)))

    def _send(self, tenants: Sequence[Tenant], months: Sequence[date], each: int, as_of: datetime) -> None:
        began, stored, sent = monotonic(), 0, 0
        total = len(tenants) * len(months) * each
        with progress(self.stdout) as show:
            for tenant in tenants:
                for batch in batches(months, each, as_of):
                    result = ingest_events(ledger=live(tenant), events=batch, api_key_id=None, as_of=as_of)
                    stored, sent = stored + len(result.accepted), sent + len(batch)
                    show(f"{number_text(sent)} events", sent, total)
        self.stdout.write(
            f"1. {counted(stored, 'events')} of {counted(len(tenants), 'tenants')} and {len(months)} months stored"
            f" ({monotonic() - began:.1f} s)."
        )

    def _seal(self, months: Sequence[date], as_of: datetime) -> None:
        self.stdout.write("2. Each month is copied to Iceberg tables, read back, and compared:")
        for month in months:
            began, size = monotonic(), 0

            def add(part: SealedPart) -> None:
                nonlocal size
                size += part.bytes

            sealed = seal_month(month=month, as_of=as_of, progress=add)
            self.stdout.write(
                f"   {month:%Y-%m}: {counted(sealed.events, 'events')}, {number_text(size)} bytes of Parquet,"
                f" equal to the ledger's ({monotonic() - began:.1f} s)"
            )

    def _compare(self, found: list[list[Any]], usage: list[list[Any]]) -> None:
        largest = max((row[2] for row in found), default=1)
        self.stdout.write(f"   {'month':8}{'tenant':10}{'requests':>9}{'bytes':>13}  {'usage says':>13}")
        for row, expected in zip(found, usage, strict=False):
            month, tenant, size, requests = row
            bar = "█" * round(BAR * size / largest)
            mark = "=" if row == expected else "≠"
            self.stdout.write(
                f"   {month:8}{tenant:10}{number_text(requests):>9}{number_text(size):>13} {mark}"
                f"{number_text(expected[2]):>13}  {bar}"
            )
        if found != usage:
            raise CommandError("The lake's figures are not those of usage.")
        self.stdout.write(f"All {len(found)} figures of the lake are those of usage, to the digit.")


def months_before(as_of: datetime) -> list[date]:
    """Return the first days of the six months before the one of `as_of`, in order."""
    this = YearMonth.of(as_of.date())
    return [this.plus(-number).first_day() for number in range(MONTHS, 0, -1)]


def tenant_named(slug: str, as_of: datetime) -> Tenant:
    """Return a tenant of the demo of the lake, which is created if it is missing."""
    known = Tenant.objects.filter(slug=slug).first()
    if known is not None:
        return known
    actor = Actor.system("manage.py demo_lake")
    return open_tenant(
        name=slug.title(), slug=slug, owner=None, owner_email=None, settings={}, actor=actor, as_of=as_of
    )


def ensure_meter(as_of: datetime) -> None:
    """Create the demo's meter of response bytes, which counts from the first month on, if it is missing."""
    if not Meter.objects.filter(code=METER).exists():
        terms = MeterTerms(METER, "Response bytes (demo of the lake)", "bytes", EVENT_TYPE, "sum", "response_length")
        create_meter(terms=terms, actor=Actor.system("manage.py demo_lake"), as_of=as_of)


def batches(months: Sequence[date], each: int, as_of: datetime) -> Iterator[list[ParsedEvent]]:
    """Yield events, `each` a month. They are the same again in a second run, and stored once."""
    rules = IngestRules(window_start=month_start(months[0]), latest=as_of, known_types=known_event_types())
    for month in months:
        start, length = month_start(month), month_start(month_after(month)) - month_start(month)
        for first in range(0, each, EVENTS_PER_CALL):
            numbers = range(first, min(first + EVENTS_PER_CALL, each))
            events = [parse_event(event_of(month, n, start + length * n / each), n, as_of, rules) for n in numbers]
            yield [event for event in events if isinstance(event, ParsedEvent)]


def event_of(month: date, number: int, at: datetime) -> dict[str, Any]:
    """Return an event as a client sends it."""
    return {
        "id": f"lake-{month:%Y-%m}-{number}",
        "type": EVENT_TYPE,
        "timestamp": (at - timedelta(microseconds=at.microsecond)).isoformat().replace("+00:00", "Z"),
        "properties": {
            "http_method": "GET" if number % 5 else "POST",
            "resource_path": _PATHS[number % len(_PATHS)],
            "status": 200 if number % 50 else 500,
            "response_length": 200 + number * 7919 % 4096 + 10 * month.month,
        },
    }


def usage_of(tenants: Sequence[Tenant], months: Sequence[date]) -> Iterator[list[Any]]:
    """Yield what `usage` returns of the demo's meter, in the form of the answer: month, tenant, bytes, requests."""
    meter = meter_named(METER)
    for month in months:
        span = Span(month_start(month), month_start(month_after(month)))
        for tenant in tenants:
            rows = query_usage(ledger=live(tenant), question=UsageQuestion(meter, span, Window.MONTH))
            quantity = sum((row.quantity for row in rows), Decimal(0))
            yield [f"{month:%Y-%m}", tenant.slug, int(quantity), sum(row.events for row in rows)]


def live(tenant: Tenant) -> Ledger:
    """Return the live half of a tenant's ledger."""
    return half_of(tenant, is_live=True)
