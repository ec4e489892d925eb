"""The SQL of each aggregation; `metering.domain.aggregations` computes the same in Python.

For statements that treat meters of several kinds at once, `by_aggregation` combines their expressions into one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from metering.domain.aggregations.registry import AGGREGATIONS
from metering.domain.property_values import NUMERIC_TEXT_PATTERN


@dataclass(frozen=True, slots=True)
class AggregationSql:
    """The expressions of one aggregation.

    `measured`: the quantity of one event `e`; `{value_property}` is the expression of the property's name, which may be
    empty. `collected`: an aggregate over the `{quantity}` of events, or of rows of the rollups. `accumulated`: the
    quantity of a row of the rollups that had `{held}`, after adding `{added}`.
    """

    measured: str
    collected: str
    accumulated: str


# The number in a property, or in its text; or the quantity of the event, if no property is named.
_VALUE: Final = f"""CASE WHEN {{value_property}} = '' THEN e.quantity
                WHEN jsonb_typeof(e.properties -> {{value_property}}) = 'number'
                    THEN greatest((e.properties -> {{value_property}})::numeric, 0)
                WHEN jsonb_typeof(e.properties -> {{value_property}}) = 'string'
                    AND e.properties ->> {{value_property}}
                        ~ '^{NUMERIC_TEXT_PATTERN.replace("{", "{{").replace("}", "}}")}$'
                    THEN (e.properties ->> {{value_property}})::numeric
                ELSE 0 END"""

AGGREGATION_SQL: Final = {
    "count": AggregationSql(measured="1::numeric", collected="sum({quantity})", accumulated="{held} + {added}"),
    "sum": AggregationSql(measured=_VALUE, collected="sum({quantity})", accumulated="{held} + {added}"),
}


def measured(aggregation: str, *, value_property: str) -> str:
    """Return the SQL of the quantity of an event `e` for a meter of this aggregation."""
    return AGGREGATION_SQL[aggregation].measured.format(value_property=value_property)


def collected(aggregation: str, *, quantity: str) -> str:
    """Return the SQL aggregate of many quantities for a meter of this aggregation."""
    return AGGREGATION_SQL[aggregation].collected.format(quantity=quantity)


def measured_by_meter(aggregation: str, *, value_property: str) -> str:
    """Return `measured` for meters whose aggregation is an SQL expression."""
    return _by_aggregation(aggregation, lambda sql: sql.measured.format(value_property=value_property))


def collected_by_meter(aggregation: str, *, quantity: str) -> str:
    """Return `collected` for meters whose aggregation is an SQL expression."""
    return _by_aggregation(aggregation, lambda sql: sql.collected.format(quantity=quantity))


def accumulated_by_meter(aggregation: str, *, held: str, added: str) -> str:
    """Return `accumulated` for meters whose aggregation is an SQL expression."""
    return _by_aggregation(aggregation, lambda sql: sql.accumulated.format(held=held, added=added))


def _by_aggregation(aggregation: str, part: Callable[[AggregationSql], str]) -> str:
    """Return the expression of each kind behind its condition.

    Kinds that have one expression need no condition for it.
    """
    codes: dict[str, list[str]] = {}
    for kind in AGGREGATIONS:
        codes.setdefault(part(AGGREGATION_SQL[kind.code]), []).append(f"'{kind.code}'")
    if len(codes) == 1:
        return next(iter(codes))
    cases = " ".join(f"WHEN {aggregation} IN ({', '.join(kinds)}) THEN {sql}" for sql, kinds in codes.items())
    return f"CASE {cases} END"
