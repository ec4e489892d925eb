"""New events stored at once leave the rows that storing them one way or the other leaves."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.domain.events import ParsedEvent
from metering.domain.ledger import NO_KEY, CounterKey, IngestResult, Ledger
from metering.models import Event, EventType, Meter, UsageDay
from metering.selectors.catalog import forget_catalog
from metering.services import ingest as ingest_module
from metering.services.ingest import SAVEPOINT_EVENTS_LEAST, ingest_events, ingest_if_new
from metering.services.new_events import NewEvents, store_new_events
from metering.services.partitions import ensure_partitions_of
from metering.services.reconciliation import reconcile
from tests.metering.services.test_ingest import VALUES

pytestmark = pytest.mark.django_db
Parse = Callable[..., list[ParsedEvent]]
KEY = UUID("01956f00-0000-7000-8000-0000000000cc")
ROWS = {
    "event": "occurred_at, key, id, source, type, quantity::text, subject, api_key_id, properties::text, received_at",
    "event_identity": "key, occurred_at, content_hash",
    "usage_hour": "meter_id, hour, quantity::text, events",
    "usage_day": "meter_id, day, api_key_id, dimension_key, dimensions::text, quantity::text, events",
    "limit_counter": "scope_id, meter_id, period_start, period_end, used::text, is_ready",
}


@pytest.fixture(autouse=True)
def _no_ledger_is_resending() -> Iterable[None]:
    ingest_module._resent_until.clear()
    yield
    ingest_module._resent_until.clear()


def rows_of(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    with connection.cursor() as cursor:
        for table, columns in ROWS.items():
            cursor.execute(f"SELECT {columns} FROM {table} WHERE tenant_id = %s", [ledger.tenant_id])
            found[table] = sorted(cursor.fetchall(), key=repr)
    return found


INSTANTS = st.sampled_from(
    ["2026-03-09T18:14:59.999999Z", "2026-03-09T18:15:00Z", "2026-03-08T07:14:59+00:00", "2026-02-28T23:45:00-00:15"]
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["tokens", "http_request"])},
    optional={
        "timestamp": INSTANTS,
        "quantity": st.sampled_from([0, "1.50", 3, "99999999999999999999"]),
        "subject": st.sampled_from(["", "日本\U0001f600", '{,"\\']),
        "properties": st.dictionaries(st.sampled_from(["status", "n", "région", "path"]), VALUES, max_size=4),
    },
)


@pytest.mark.parametrize("time_zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(found=st.lists(EVENTS, min_size=1, max_size=12))
def test_both_ways_leave_the_same_rows(
    ledger: Ledger, events: Parse, now: datetime, time_zone: str, found: list[dict[str, Any]]
) -> None:
    mine = Ledger(ledger.tenant_id, ledger.is_live, time_zone, 35)
    as_of = now + timedelta(days=1)
    ensure_partitions_of(days=[date(2026, 2, 1), date(2026, 3, 1)])
    with transaction.atomic():
        tokens = EventType.objects.create(code="tokens", name="Tokens", created_at=now)
        rule = {"event_type": tokens, "created_at": now, "counts_from": now}
        Meter.objects.create(code="n", name="n", aggregation="sum", value_property="n", dimensions=["région"], **rule)
        Meter.objects.create(code="ok", name="ok", filters={"status": ["200", "true"]}, dimensions=["n"], **rule)
        for kind in ("max", "min", "avg"):
            Meter.objects.create(code=kind, name=kind, aggregation=kind, value_property="n", dimensions=["n"], **rule)
        Meter.objects.create(code="later", name="later", **rule | {"counts_from": as_of + timedelta(microseconds=1)})
        forget_catalog()
        sent = events(*({"id": f"{n} é", **one} for n, one in enumerate(found)))
        counters = [
            CounterKey(NO_KEY, meter.pk, datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC))
            for meter in Meter.objects.all()
        ]
        left = []
        for store in (
            lambda: ingest_events(ledger=mine, events=sent, api_key_id=KEY, as_of=as_of, counters=counters),
            lambda: store_new_events([NewEvents(mine, sent, counters)], api_key_id=KEY, as_of=as_of),
        ):
            sid = transaction.savepoint()
            store()
            assert reconcile(ledgers=[mine]).is_clean
            left.append(rows_of(mine))
            transaction.savepoint_rollback(sid)
        assert left[0] == left[1]
        transaction.set_rollback(True)
    forget_catalog()


def test_a_known_event_fails_the_first_try_and_is_told_apart_by_the_second(ledger: Ledger, events: Parse) -> None:
    many = SAVEPOINT_EVENTS_LEAST
    as_of = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
    ingest_events(ledger=ledger, events=events({"id": "3"}), api_key_id=KEY, as_of=as_of)
    sent = events(*({"id": f"{n}"} for n in range(many)))
    with pytest.raises(IntegrityError, match="event_identity_once"), transaction.atomic():
        store_new_events([NewEvents(ledger, sent)], api_key_id=KEY, as_of=as_of)
    result = ingest_events(ledger=ledger, events=sent, api_key_id=KEY, as_of=as_of)
    assert result == IngestResult(tuple(n for n in range(many) if n != 3), (3,), ())
    assert not ingest_if_new([NewEvents(ledger, events({"id": "new"}))], api_key_id=KEY, as_of=as_of), "it resends"


def test_events_of_many_ledgers_are_stored_at_once_or_not_at_all(
    ledger: Ledger, other_ledger: Ledger, events: Parse, django_assert_num_queries: Any
) -> None:
    as_of = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
    sent = events(*({"id": f"{n}"} for n in range(SAVEPOINT_EVENTS_LEAST)))
    parts = [NewEvents(other_ledger, sent), NewEvents(ledger, sent[:3])]
    assert ingest_if_new(parts, api_key_id=KEY, as_of=as_of)
    assert Event.objects.count() == len(sent) + 3
    assert sorted(UsageDay.objects.values_list("tenant_id", "events").distinct()) == [
        (ledger.tenant_id, 3), (other_ledger.tenant_id, len(sent)),
    ]  # fmt: skip
    assert reconcile(ledgers=[ledger, other_ledger]).is_clean
    again = [NewEvents(ledger, events(*({"id": f"new {n}"} for n in range(len(sent))))), NewEvents(other_ledger, sent)]
    assert not ingest_if_new(again, api_key_id=KEY, as_of=as_of)
    assert Event.objects.count() == len(sent) + 3


def test_what_may_be_known_or_late_is_not_tried(ledger: Ledger, events: Parse) -> None:
    as_of = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
    twice = events({"id": "a"}, {"id": "a"})
    old = events({"id": "old", "timestamp": "2025-04-01T00:00:00Z"})
    for sent in (twice, old):
        assert not ingest_if_new([NewEvents(ledger, sent)], api_key_id=KEY, as_of=as_of)
    assert not Event.objects.exists()
