"""What many events add, summed at once, is what they add one by one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metering.domain.aggregations.average import AVERAGE
from metering.domain.aggregations.count import COUNT
from metering.domain.aggregations.extremes import MAX
from metering.domain.aggregations.sum import SUM
from metering.domain.canonical import PropertyValue
from metering.domain.contribution import contributions
from metering.domain.events import ParsedEvent
from metering.domain.ledger import NO_KEY, CounterKey
from metering.domain.meter_rules import MeterRule
from metering.domain.usage_sums import UsageSum, counter_sums, usage_sums
from metering.formulas.domain.formula import formula_of

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
RULES = (
    MeterRule(1, "calls", "call", COUNT, dimensions=("region",)),
    MeterRule(2, "bytes", "call", SUM, "n", ("region", "n")),
    MeterRule(3, "quantity", "call", SUM),
    MeterRule(4, "ok", "call", COUNT, filters={"n": ("1", "true")}),
    MeterRule(5, "greatest", "call", MAX, "n"),
    MeterRule(6, "logins", "login", COUNT),
    MeterRule(7, "mean", "call", AVERAGE, "n"),
    MeterRule(8, "computed", "call", SUM, formula=formula_of("n * 2 + (region == 'eu' ? quantity : 0.5)")),
    MeterRule(9, "changed", "call", COUNT, ends_at=NOON + timedelta(minutes=20)),
    MeterRule(9, "changed", "call", SUM, "n", ("n",), version=2, begins_at=NOON + timedelta(minutes=20)),
)
VALUES = st.one_of(st.none(), st.booleans(), st.sampled_from([0, 1, 2, Decimal("1.5"), "1", "1.50", "true", "é", ""]))


def event(
    minute: int = 0, quantity: Decimal = Decimal(1), kind: str = "call", **properties: PropertyValue
) -> ParsedEvent:
    at = NOON + timedelta(minutes=minute, seconds=59)
    return ParsedEvent(0, b"", b"", "", "a", kind, at, quantity, None, properties, b"", None)


def quarter_of(one: ParsedEvent) -> datetime:
    return one.occurred_at.replace(minute=one.occurred_at.minute // 15 * 15, second=0)


def totals(
    rows: list[tuple[int, datetime, Any, Decimal, int]], merges: dict[int, Callable[[Decimal, Decimal], Decimal]]
) -> dict[Any, Any]:
    """Return quantity and number by meter, quarter and dimensions."""
    found: dict[Any, tuple[Decimal, int]] = {}
    for meter, quarter, dimensions, quantity, count in rows:
        place = (meter, quarter, tuple(dimensions.items()))
        held = found.get(place)
        found[place] = (quantity, count) if held is None else (merges[meter](held[0], quantity), held[1] + count)
    return found


@given(
    st.lists(
        st.builds(
            event,
            st.integers(0, 40),
            st.sampled_from([Decimal(1), Decimal(2), Decimal("0.000000001")]),
            st.sampled_from(["call", "login"]),
            region=VALUES,
            n=VALUES,
        ),
        max_size=30,
    )
)
def test_sums_are_those_of_the_events_one_by_one(sent: list[ParsedEvent]) -> None:
    one_by_one = [
        (each.meter_id, quarter_of(one), each.dimensions, each.quantity, 1)
        for one in sent
        for each in contributions(one, RULES)
    ]
    merges = {rule.id: rule.aggregation.merge for rule in RULES}
    summed = [tuple(one) for one in usage_sums(sent, RULES)]
    assert len(totals(summed, merges)) == len(summed), "one sum a place"  # type: ignore[arg-type]
    assert totals(summed, merges) == totals(one_by_one, merges)  # type: ignore[arg-type]


def test_a_counter_gets_what_lies_in_its_period_of_its_meter() -> None:
    day = CounterKey(NO_KEY, 1, NOON, NOON + timedelta(days=1))
    before = CounterKey(NO_KEY, 1, NOON - timedelta(days=1), NOON)
    other = CounterKey(NO_KEY, 2, NOON, NOON + timedelta(days=1))
    sums = [
        UsageSum(1, NOON, {}, Decimal(2), 2),
        UsageSum(1, NOON + timedelta(minutes=15), {}, Decimal(3), 3),
        UsageSum(1, NOON - timedelta(minutes=15), {}, Decimal(7), 7),
    ]
    assert counter_sums(sums, [day, before, other]) == {day: Decimal(5), before: Decimal(7)}
    assert counter_sums(sums, []) == {}
