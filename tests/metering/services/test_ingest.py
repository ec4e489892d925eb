"""An event counts once, however often any caller sends it, and usage follows the ledger in the same transaction."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.errors import StoreUnavailableError
from metering.domain.contribution import contributions, rules_counting_at
from metering.domain.events import ParsedEvent
from metering.domain.ledger import NO_KEY, CounterKey, IngestResult, Ledger
from metering.models import Event, EventIdentity, EventType, Meter, UsageDay, UsageHour
from metering.selectors.catalog import forget_catalog, meter_rules
from metering.services.ingest import ingest_events
from metering.services.reconciliation import reconcile

pytestmark = pytest.mark.django_db
Parse = Callable[..., list[ParsedEvent]]
KEY = UUID("01956f00-0000-7000-8000-0000000000cc")


def ingest(ledger: Ledger, events: list[ParsedEvent], **options: Any) -> IngestResult:
    defaults: dict[str, Any] = {"api_key_id": KEY, "as_of": datetime(2026, 3, 10, 12, 30, tzinfo=UTC)}
    return ingest_events(ledger=ledger, events=events, **defaults | options)


def meter(code: str) -> int:
    return Meter.objects.get(code=code).pk


def hours(code: str = "api_requests") -> list[tuple[datetime, Decimal, int]]:
    return list(
        UsageHour.objects.filter(meter_id=meter(code)).order_by("hour").values_list("hour", "quantity", "events")
    )


def test_a_new_event_is_stored_and_counted_at_once(ledger: Ledger, events: Parse, now: datetime) -> None:
    assert ingest(ledger, events({"id": "a", "properties": {"response_length": 512}})).accepted == (0,)
    stored = Event.objects.get()
    assert (stored.tenant_id, stored.is_live, stored.event_id, stored.api_key_id, stored.received_at) == (
        ledger.tenant_id, True, "a", KEY, now,
    )  # fmt: skip
    hour = datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert hours() == [(hour, Decimal(1), 1)]
    assert hours("api_bytes") == [(hour, Decimal(512), 1)]


def test_the_same_event_again_is_a_duplicate_and_changes_nothing(ledger: Ledger, events: Parse) -> None:
    sent = events({"id": "a"}, {"id": "b"})
    ingest(ledger, sent)
    assert ingest(ledger, list(reversed(sent))).duplicates == (0, 1)
    assert hours() == [(datetime(2026, 3, 10, 12, tzinfo=UTC), Decimal(2), 2)]


def test_the_same_id_with_other_content_is_a_conflict_and_changes_nothing(ledger: Ledger, events: Parse) -> None:
    ingest(ledger, events({"id": "a", "quantity": 1}))
    assert ingest(ledger, events({"id": "a", "quantity": 2})).conflicts == (0,)
    assert Event.objects.get().quantity == 1


def test_an_id_may_come_twice_in_one_batch(ledger: Ledger, events: Parse) -> None:
    result = ingest(
        ledger, events({"id": "a"}, {"id": "a", "quantity": "1.0"}, {"id": "a", "quantity": 2}, {"id": "b"})
    )
    assert result == IngestResult(accepted=(0, 3), duplicates=(1,), conflicts=(2,))
    assert hours()[0][1] == 2


def test_a_repetition_in_a_batch_is_judged_by_what_is_stored(ledger: Ledger, events: Parse) -> None:
    ingest(ledger, events({"id": "a"}))
    result = ingest(ledger, events({"id": "a", "quantity": 2}, {"id": "a"}, {"id": "a", "quantity": 2}))
    assert result == IngestResult(accepted=(), duplicates=(1,), conflicts=(0, 2))


@pytest.mark.parametrize("length", [-5, "-5", "-0.5"])
def test_only_a_void_lowers_usage(ledger: Ledger, events: Parse, length: object) -> None:
    ingest(ledger, events({"id": "a", "properties": {"response_length": length}}))
    assert hours("api_bytes")[0][1:] == (0, 1)


def test_a_retry_without_a_time_is_the_same_event_in_a_later_month(
    ledger: Ledger, events: Parse, now: datetime
) -> None:
    [sent] = events({"id": "a"})
    ingest(ledger, [sent])
    later = ParsedEvent(
        **{name: getattr(sent, name) for name in sent.__struct_fields__} | {"occurred_at": now + timedelta(days=60)}
    )
    assert ingest(ledger, [later]).duplicates == (0,)
    assert Event.objects.count() == EventIdentity.objects.count() == 1


def test_live_and_test_and_other_tenants_have_ids_of_their_own(
    ledger: Ledger, other_ledger: Ledger, events: Parse
) -> None:
    test_ledger = Ledger(ledger.tenant_id, is_live=False, time_zone=ledger.time_zone, backfill_days=35)
    for each in (ledger, test_ledger, other_ledger):
        assert ingest(each, events({"id": "a"})).accepted == (0,)
    hours = UsageHour.objects.filter(meter_id=meter("api_requests"))
    assert sorted(hours.values_list("tenant_id", "is_live", "quantity")) == [
        (ledger.tenant_id, False, 1), (ledger.tenant_id, True, 1), (other_ledger.tenant_id, True, 1),
    ]  # fmt: skip


def test_an_event_counts_to_the_day_of_the_tenants_zone(ledger: Ledger, events: Parse) -> None:
    # 23:30 UTC on the 9th is 00:30 on the 10th in Berlin.
    ingest(
        ledger,
        events({"id": "a", "timestamp": "2026-03-09T23:30:00Z"}, {"id": "b", "timestamp": "2026-03-09T22:30:00Z"}),
    )
    days = UsageDay.objects.filter(meter_id=meter("api_requests")).order_by("day").values_list("day", "quantity")
    assert list(days) == [(date(2026, 3, 9), 1), (date(2026, 3, 10), 1)]


def test_dimensions_of_any_length_are_kept_apart_exactly(ledger: Ledger, events: Parse) -> None:
    path = "/" + "é" * 1800
    ingest(
        ledger,
        events(*({"id": f"{n}", "properties": {"resource_path": path + "ab"[n % 2]}} for n in range(3))),
        api_key_id=None,
    )
    rows = UsageDay.objects.filter(meter_id=meter("api_requests")).values_list(
        "api_key_id", "dimensions__resource_path", "quantity"
    )
    assert sorted(rows) == [(NO_KEY, path + "a", 2), (NO_KEY, path + "b", 1)]


def test_counters_of_the_running_period_follow_and_others_do_not(ledger: Ledger, events: Parse, now: datetime) -> None:
    period = (now - timedelta(hours=1), now + timedelta(hours=1))
    counter = CounterKey(NO_KEY, meter("api_requests"), *period)
    sent = events({"id": "in"}, {"id": "before", "timestamp": "2026-03-10T10:00:00Z"})
    ingest(ledger, sent, counters=[counter])
    ingest(ledger, sent, counters=[counter])
    with connection.cursor() as cursor:
        cursor.execute("SELECT used, is_ready FROM limit_counter")
        assert cursor.fetchall() == [(Decimal(1), False)]


def test_a_partition_is_created_for_a_time_that_has_none(ledger: Ledger, events: Parse) -> None:
    assert ingest(ledger, events({"id": "old", "timestamp": "2025-04-01T00:00:00Z"})).accepted == (0,)


# A month each: what the first of the two tests commits stays in the database that the second may get.
OLD = {"id": "old", "timestamp": "2025-05-01T00:00:00Z"}
OLDER = {"id": "older", "timestamp": "2025-03-01T00:00:00Z"}


def forget_that_the_partition_is_gone(ledger: Ledger, sent: list[ParsedEvent]) -> None:
    """Ingest two events in one transaction that is rolled back.

    The process remembers the month, the database does not.
    """
    with transaction.atomic():
        ingest(ledger, sent)
        ingest(ledger, sent)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_a_lost_partition_is_created_again(ledger: Ledger, events: Parse) -> None:
    forget_that_the_partition_is_gone(ledger, events(OLD))
    assert ingest(ledger, events(OLD)).accepted == (0,)


def test_within_a_transaction_a_lost_partition_raises_once(ledger: Ledger, events: Parse) -> None:
    forget_that_the_partition_is_gone(ledger, events(OLDER))
    with pytest.raises(StoreUnavailableError), transaction.atomic():
        ingest(ledger, events(OLDER))
    assert ingest(ledger, events(OLDER)).accepted == (0,)


def test_a_new_meter_counts_no_earlier_events(ledger: Ledger, events: Parse, now: datetime) -> None:
    ingest(ledger, events({"id": "a", "quantity": 7}))
    Meter.objects.create(
        code="units", name="Units", aggregation="sum", event_type=EventType.objects.get(code="http_request"),
        counts_from=now + timedelta(seconds=5), created_at=now,
    )  # fmt: skip
    forget_catalog()
    ingest(ledger, events({"id": "b", "quantity": 7}))
    ingest(ledger, events({"id": "c", "quantity": 7}), as_of=now + timedelta(seconds=5))
    assert hours("units") == [(datetime(2026, 3, 10, 12, tzinfo=UTC), Decimal(7), 1)]
    assert reconcile(ledgers=[ledger]).is_clean


def test_no_statement_is_sent_for_no_events(ledger: Ledger, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert ingest(ledger, []) == IngestResult((), (), ())


def test_a_failed_statement_leaves_no_claim_behind(ledger: Ledger, events: Parse) -> None:
    # An id whose event could not be written is still free: the retry counts.
    with pytest.raises(DatabaseError), transaction.atomic():
        ingest(ledger, events({"id": "a"}), api_key_id="not a uuid")
    assert ingest(ledger, events({"id": "a"})).accepted == (0,)


@pytest.mark.parametrize("table", ["event", "event_identity", "event_void", "accounts_auditentry"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_application_may_not_change_history(table: str, statement: str) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))


def test_the_application_may_not_change_a_partition_either(ledger: Ledger, events: Parse) -> None:
    ingest(ledger, events({"id": "a"}))
    for statement in ("UPDATE event_2026_03 SET quantity = 0", "DELETE FROM event_2026_03", "DROP TABLE event_2026_03"):
        with (
            pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**19), 10**19),
    st.decimals(-1000, 1000, allow_nan=False, places=4).map(lambda value: value.normalize()),
    st.sampled_from(["200", "12.5", "-3", "1e3", " 7", "٣", "", "GET", "1.1234567891", "+1", ".5", "5.", "true"]),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.dictionaries(st.sampled_from(["status", "n", "region"]), VALUES), min_size=1, max_size=6))
def test_sql_and_python_agree_on_what_an_event_adds(
    ledger: Ledger, events: Parse, now: datetime, found: list[dict[str, Any]]
) -> None:
    with transaction.atomic():
        tokens = EventType.objects.create(code="tokens", name="Tokens", created_at=now)
        rule = {"event_type": tokens, "created_at": now, "counts_from": now}
        Meter.objects.create(
            code="n", name="n", aggregation="sum", value_property="n", dimensions=["region", "status"], **rule
        )
        Meter.objects.create(
            code="ok", name="ok", filters={"status": ["200", "true", "12.5"]}, dimensions=["n"], **rule
        )
        Meter.objects.create(code="quantity", name="quantity", aggregation="sum", **rule)
        Meter.objects.create(
            code="computed", name="c", aggregation="sum", formula="n / 3 + (has(status) ? quantity : 0.5)", **rule
        )
        forget_catalog()
        sent = events(
            *({"id": f"{n}", "type": "tokens", "quantity": n, "properties": bag} for n, bag in enumerate(found))
        )
        ingest(ledger, sent)
        expected: dict[tuple[int, str], tuple[Decimal, int]] = {}
        for event in sent:
            for each in contributions(event, rules_counting_at(meter_rules(), now)):
                place = (each.meter_id, repr(sorted(each.dimensions.items())))
                quantity, count = expected.get(place, (Decimal(0), 0))
                expected[place] = (quantity + each.quantity, count + 1)
        stored = {
            (row.meter_id, repr(sorted(row.dimensions.items()))): (row.quantity, row.events)
            for row in UsageDay.objects.all()
        }
        assert stored == expected
        assert reconcile(ledgers=[ledger]).is_clean
        transaction.set_rollback(True)
    forget_catalog()
