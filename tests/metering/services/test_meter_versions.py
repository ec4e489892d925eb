"""Versions of a meter: from a moment on, never in place, and each event by the version of its time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.domain.actor import Actor
from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from metering.domain.limit_policy import EVENT_AHEAD_MAX
from metering.domain.meter_terms import COUNTS_AFTER, MeterTerms
from metering.domain.periods import Span
from metering.domain.windows import Window
from metering.errors import MeterFixedError
from metering.models import Meter
from metering.selectors.catalog import counting_rules, meter_rules
from metering.selectors.span_usage import UsageSpan, compared_usage_of_spans, usage_of_spans
from metering.selectors.usage_query import UsageQuestion, names_kept_apart, query_usage
from metering.services.meter_versions import cancel_version, create_version
from metering.services.meters import create_meter, terms_of
from metering.services.rebuild import rebuild_usage
from metering.services.reconciliation import reconcile
from metering.services.voids import void_event
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
BORDER = NOW + timedelta(minutes=40)
EARLIEST = NOW + EVENT_AHEAD_MAX + COUNTS_AFTER
OPERATOR = Actor.system("operator")
SIZES = MeterTerms("sizes", "Sizes", "MB", "call", "sum", "size", dimensions=("region",))

pytestmark = pytest.mark.django_db


@pytest.fixture
def meter() -> Meter:
    make_meter("sizes", "call", aggregation="sum", value_property="size", dimensions=["region"])
    return Meter.objects.select_related("event_type").get(code="sizes")


def change(meter: Meter, begins_at: datetime | None = BORDER, **terms: Any) -> Any:
    wanted = replace(terms_of(meter, meter.versions.order_by("number").last()), **terms)
    return create_version(meter=meter, terms=wanted, actor=OPERATOR, as_of=NOW, begins_at=begins_at)


def test_a_version_begins_when_every_process_knows_it_and_is_recorded(meter: Meter) -> None:
    version = change(meter, None, value_property="", formula=" ceil(size / 10) ")
    assert (version.number, version.begins_at, version.formula) == (2, EARLIEST, "ceil(size / 10)")
    entry = AuditEntry.objects.get(action="meter.version_created")
    assert (entry.target_label, entry.before) == ("sizes", {"value_property": "size", "formula": ""})
    assert entry.after == {
        "number": 2,
        "begins_at": EARLIEST.isoformat(),
        "value_property": "",
        "formula": "ceil(size / 10)",
    }
    assert change(meter, EARLIEST + timedelta(days=1), value_property="bytes", formula="").number == 3
    versions = [rule for rule in counting_rules() if rule.code == "sizes"]
    assert [rule.version for rule in versions] == [1, 2, 3]
    assert [one.ends_at for one in versions[:2]] == [one.begins_at for one in versions[1:]]
    assert next(rule.version for rule in meter_rules() if rule.code == "sizes") == 3


@pytest.mark.parametrize(
    ("begins_at", "terms", "pointer"),
    [
        (BORDER, {}, "/aggregation"),
        (BORDER, {"filters": {}}, "/aggregation"),
        (BORDER, {"aggregation": "max"}, "/aggregation"),
        (BORDER, {"aggregation": "avg"}, "/aggregation"),
        (BORDER, {"aggregation": "mode"}, "/aggregation"),
        (BORDER, {"value_property": "", "formula": "size +"}, "/formula"),
        (EARLIEST - timedelta(microseconds=1), {"value_property": "bytes"}, "/begins_at"),
        (NOW - timedelta(days=1), {"value_property": "bytes"}, "/begins_at"),
    ],
)
def test_what_cannot_follow_is_refused(meter: Meter, begins_at: datetime, terms: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        change(meter, begins_at, **terms)
    assert [error.pointer for error in refused.value.field_errors] == [pointer]
    assert not meter.versions.exists()


def test_levels_keep_their_series(meter: Meter) -> None:
    make_meter("stored", "call", aggregation="time_weighted", value_property="gb", dimensions=["disk"])
    stored = Meter.objects.select_related("event_type").get(code="stored")
    with pytest.raises(InvalidFieldsError) as refused:
        change(stored, dimensions=("disk", "region"))
    assert [error.code for error in refused.value.field_errors] == ["other_series"]
    assert change(stored, value_property="tb").number == 2


def test_a_later_version_begins_later(meter: Meter) -> None:
    change(meter, value_property="bytes")
    with pytest.raises(InvalidFieldsError, match="After version 2"):
        change(meter, BORDER, value_property="kilobytes")


def test_the_last_version_is_cancelled_until_it_begins(meter: Meter) -> None:
    second = change(meter, value_property="bytes")
    third = change(meter, BORDER + timedelta(hours=1), value_property="kilobytes")
    with pytest.raises(MeterFixedError, match="last version"):
        cancel_version(version=second, actor=OPERATOR, as_of=NOW)
    cancel_version(version=third, actor=OPERATOR, as_of=NOW)
    with pytest.raises(MeterFixedError, match="has begun"):
        cancel_version(version=second, actor=OPERATOR, as_of=BORDER - EVENT_AHEAD_MAX)
    assert [version.number for version in meter.versions.all()] == [2]
    assert AuditEntry.objects.get(action="meter.version_cancelled").before["number"] == 3


def test_events_are_counted_by_the_version_of_their_time_whenever_they_arrive(meter: Meter) -> None:
    """Send five events across the border, of which one is late and one is voided; read rollups and events."""
    change(meter, value_property="", formula="ceil(size / 10)", filters={"size": {"gt": 5}}, dimensions=("tier",))
    tenant = make_tenant("acme")
    ledger = ledger_of(tenant)
    later = BORDER + timedelta(days=1)
    minute = timedelta(minutes=1)
    common = {"type": "call", "subject": "ann"}
    send(
        ledger,
        [
            common | {"id": "a", "timestamp": BORDER - minute, "properties": {"size": 25, "region": "eu", "tier": "x"}},
            common | {"id": "b", "timestamp": BORDER, "properties": {"size": 25, "region": "eu", "tier": "x"}},
            common | {"id": "c", "timestamp": BORDER + minute, "properties": {"size": 5, "tier": "y"}},
            common | {"id": "d", "timestamp": BORDER + minute, "properties": {"size": 100, "tier": "y"}},
        ],
        as_of=later,
    )
    send(ledger, [common | {"id": "e", "timestamp": BORDER - minute, "properties": {"size": 4}}], as_of=later)
    void_event(ledger=ledger, event_id="d", reason="", voided_by="test", as_of=later)
    assert reconcile(ledgers=[ledger]).is_clean
    rule = next(one for one in meter_rules() if one.code == "sizes")
    day = Span(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC))
    assert names_kept_apart(rule) == ("api_key", "subject", "tier", "region")
    for _ in range(2):
        for group_by, window, wanted in (
            ((), Window.DAY, [({}, 32)]),
            (("region",), Window.DAY, [({"region": "eu"}, 25), ({"region": None}, 7)]),
            (("tier",), Window.DAY, [({"tier": "x"}, 3), ({"tier": None}, 29)]),
            (("tier", "subject"), None, [({"tier": "x", "subject": "ann"}, 3), ({"tier": None, "subject": "ann"}, 29)]),
        ):
            rows = query_usage(ledger=ledger, question=UsageQuestion(rule, day, window, group_by))
            assert [(row.group, row.quantity) for row in rows] == wanted
        eu = query_usage(ledger=ledger, question=UsageQuestion(rule, day, None, filters={"region": ["eu"]}))
        assert [row.quantity for row in eu] == [25]
        spans = [UsageSpan(tenant.pk, rule.id, *day), UsageSpan(tenant.pk, rule.id, BORDER, day.end)]
        assert [one.quantity for one in usage_of_spans(spans)] == [Decimal(32), Decimal(3)]
        assert all(one.is_proven for one in compared_usage_of_spans(spans))
        rebuild_usage(ledger=ledger)


def test_a_meter_that_was_just_created_has_versions_too(meter: Meter) -> None:
    made = create_meter(terms=replace(SIZES, code="fresh"), actor=OPERATOR, as_of=NOW)
    assert change(made, aggregation="count", value_property="").aggregation == "count"
