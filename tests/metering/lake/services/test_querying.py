"""Questions in SQL: which rows they read, and who may ask them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.domain.scopes import Scope
from accounts.errors import ScopeMissingError, StoreUnavailableError
from accounts.models import Tenant
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span
from metering.domain.retention import month_after, month_start
from metering.domain.windows import Window
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.lake.domain.pieces import RowSource
from metering.lake.domain.questions import Range, SqlAnswer, SqlBounds
from metering.lake.gateways import iceberg
from metering.lake.services.querying import query_as_operator, query_as_tenant
from metering.lake.services.sealing import seal_month
from metering.selectors.usage_query import UsageQuestion, query_usage
from metering.services.voids import void_event
from tests.metering.lake.lake_world import NOON, request_event
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send
from tests.metering.retention_world import let_go

pytestmark = pytest.mark.django_db
in_lake = pytest.mark.django_db(transaction=True)
MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)
ALWAYS = Range()
BOUNDS = SqlBounds(
    rows_read_max=10_000, bytes_read_max=2**24, rows_max=100, bytes_max=2**20, memory_mib=128, seconds=20
)
SUMS = (
    "SELECT strftime(timestamp, '%Y-%m') AS month, tenant, sum((properties->>'amount')::DECIMAL(38,9)) AS quantity,"
    " count(*) AS events FROM events WHERE voided_at IS NULL AND is_live GROUP BY ALL ORDER BY ALL"
)
DAYS = (
    "SELECT strftime(day, '%Y-%m') AS month, tenant, sum(quantity) AS quantity, sum(events)::BIGINT AS events"
    " FROM usage_day WHERE meter = 'amount' AND is_live GROUP BY ALL ORDER BY ALL"
)


def test_a_table_needs_its_scope_before_a_row_is_read() -> None:
    ledger = ledger_of(make_tenant("acme"))
    with pytest.raises(ScopeMissingError, match="billing:read"):
        query_as_tenant(
            "SELECT * FROM invoice_lines", ledger=ledger, scopes=frozenset({Scope.USAGE_READ}), span=Range()
        )


def use(tenant: Tenant, days: int = 92) -> Ledger:
    """Send an event for each day from 10 March on, with an odd amount, and void each tenth."""
    ledger = ledger_of(tenant)
    events = [
        request_event(f"{tenant.slug}-{number}", NOON + timedelta(days=number), amount=Decimal(f"{number}.{number:09}"))
        for number in range(days)
    ]
    send(ledger, events, as_of=NOON)
    for number in range(0, days, 10):
        void(ledger, f"{tenant.slug}-{number}")
    return ledger


def void(ledger: Ledger, event_id: str) -> None:
    void_event(ledger=ledger, event_id=event_id, reason="", voided_by="Ada", as_of=NOON)


def seal(*months: date) -> None:
    for month in months:
        seal_month(month=month, as_of=NOON, progress=lambda _part: None)


def ask(query: str = SUMS, source: RowSource = RowSource.BOTH, span: Range = ALWAYS, **bounds: Any) -> SqlAnswer:
    return query_as_operator(query, span=span, bounds=replace(BOUNDS, **bounds), source=source)


@pytest.fixture
def meter() -> MeterRule:
    return make_meter("amount", "http_request", aggregation="sum", value_property="amount")


def usage_by_month(ledgers: dict[str, Ledger], meter: MeterRule) -> Iterator[list[object]]:
    """Yield what `usage` returns for each month and tenant, as rows of `SUMS`."""
    for month in (MARCH, APRIL, MAY, date(2026, 6, 1)):
        span = Span(month_start(month), month_start(month_after(month)))
        for slug, ledger in ledgers.items():
            [row] = query_usage(ledger=ledger, question=UsageQuestion(meter, span, Window.MONTH))
            yield [f"{month:%Y-%m}", slug, f"{row.quantity.normalize():f}", row.events]


@in_lake
@pytest.mark.usefixtures("lake_place")
@pytest.mark.takes_long("it seals four months")
def test_sql_on_the_lake_equals_usage_to_the_digit_for_every_month(meter: MeterRule) -> None:
    ledgers = {slug: use(make_tenant(slug)) for slug in ("acme", "rival")}
    usage = list(usage_by_month(ledgers, meter))
    assert len(usage) == 8
    assert ask().from_lake == ()
    seal(MARCH, APRIL, MAY, date(2026, 6, 1))
    for source in RowSource:
        for query in (SUMS, DAYS):
            assert ask(query, source).rows == usage, (source, query)
    assert ask().from_lake == (MARCH, APRIL, MAY, date(2026, 6, 1))


@in_lake
@pytest.mark.usefixtures("lake_place")
@pytest.mark.takes_long("it seals a month")
def test_a_month_that_changed_since_is_read_from_the_ledger() -> None:
    ledger = use(make_tenant("acme"), days=30)
    before = ask(source=RowSource.LEDGER).rows
    seal(MARCH)
    assert (ask().from_lake, ask().rows) == ((MARCH,), before)
    void(ledger, "acme-1")
    changed = ask()
    assert (changed.from_lake, changed.rows) == ((), ask(source=RowSource.LEDGER).rows)
    assert changed.rows != before
    seal(MARCH)
    assert (ask().from_lake, ask().rows) == ((MARCH,), changed.rows)
    send(ledger, [request_event("late", NOON)], as_of=NOON)
    assert (ask().from_lake, ask().rows) == ((), ask(source=RowSource.LEDGER).rows)


@in_lake
@pytest.mark.usefixtures("lake_place")
@pytest.mark.takes_long("it seals a month")
def test_events_that_the_lake_alone_has_are_read_from_it() -> None:
    tenant = make_tenant("acme")
    ledger = use(tenant, days=30)
    before = ask().rows
    seal(MARCH)
    let_go([ledger])
    assert [row[0] for row in ask(source=RowSource.LEDGER).rows] == ["2026-04"]
    Tenant.objects.filter(pk=tenant.pk).update(slug="acme-ltd")
    answer = ask()
    assert (answer.from_lake, answer.gone) == ((MARCH,), ())
    assert [[row[0], *row[2:]] for row in answer.rows] == [[row[0], *row[2:]] for row in before]
    assert {row[1] for row in answer.rows} == {"acme-ltd"}
    tenth = Range(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 12, tzinfo=UTC))
    assert [row[2:] for row in ask(span=tenth).rows] == [["1.000000001", 1]]
    with pytest.raises(QueryTooLargeError):
        ask(rows_read_max=5)


def test_what_is_deleted_and_not_in_the_lake_is_named() -> None:
    ledger = use(make_tenant("acme"), days=3)
    let_go([ledger])
    assert ask().gone == (MARCH,)
    assert ask("SELECT 1").gone == ()


def ask_as(ledger: Ledger, query: str = "SELECT count(*) FROM events", span: Range = ALWAYS) -> list[list[object]]:
    return query_as_tenant(query, ledger=ledger, scopes=frozenset({Scope.USAGE_READ}), span=span).rows


@in_lake
@pytest.mark.usefixtures("lake_place")
@pytest.mark.takes_long("it seals a month")
def test_a_tenant_reads_its_own_deleted_events_from_the_lake_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ledgers = [use(make_tenant(slug), days=30) for slug in ("acme", "rival")]
    mine = "SELECT id, properties, voided_at IS NULL FROM events ORDER BY id"
    before = ask_as(ledgers[0], mine)
    assert len(before) == 30
    seal(MARCH)
    let_go(ledgers)
    assert ask_as(ledgers[0], mine) == before
    assert ask_as(replace(ledgers[0], is_live=False)) == [[0]]
    monkeypatch.setattr(iceberg, "pa", None)
    with pytest.raises(StoreUnavailableError):
        ask_as(ledgers[0])


def test_a_tenant_is_refused_what_nothing_has() -> None:
    ledger = use(make_tenant("acme"), days=30)
    let_go([ledger])
    with pytest.raises(EventsDeletedError, match="1 April 2026"):
        ask_as(ledger)
    assert ask_as(ledger, span=Range(month_start(APRIL), None)) == [[8]]
    assert ask_as(ledger, "SELECT 1") == [[1]]
