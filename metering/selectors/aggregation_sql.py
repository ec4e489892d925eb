"""The SQL of each aggregation; `metering.domain.aggregations` computes the same in Python.

For statements that treat meters of several kinds at once, `by_aggregation` combines their expressions into one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.percentile import PER_MILLE
from metering.domain.aggregations.registry import AGGREGATIONS, MERGEABLE
from metering.formulas.domain.property_values import NUMERIC_TEXT_PATTERN
from metering.selectors.formula_sql import FORMULAS_OTHERWISE


@dataclass(frozen=True, slots=True)
class AggregationSql:
    """The expressions of one aggregation.

    `measured`: what one event `e` brings, NULL if there is nothing to measure; `{value_property}` is the expression of
    the property's name, which may be empty. At its mark `with_formulas` writes those of the meters.
    `collected`: an aggregate over the `{quantity}` of events, or of rows of the rollups. `accumulated`: what a row of
    the rollups has that had `{held}`, after `{added}` came; kinds that do not merge have none, and `collected` is over
    events `e` alone, or over level times seconds of a kind whose events last.
    """

    measured: str
    collected: str
    accumulated: str = ""


def _number(otherwise: str) -> str:
    """Return the value of a formula, the number in a property, or in its text; or, if neither, the event's quantity."""
    return f"""CASE {FORMULAS_OTHERWISE[otherwise]} WHEN {{value_property}} = '' THEN e.quantity
                WHEN jsonb_typeof(e.properties -> {{value_property}}) = 'number'
                    THEN greatest((e.properties -> {{value_property}})::numeric, 0)
                WHEN jsonb_typeof(e.properties -> {{value_property}}) = 'string'
                    AND e.properties ->> {{value_property}}
                        ~ '^{NUMERIC_TEXT_PATTERN.replace("{", "{{").replace("}", "}}")}$'
                    THEN (e.properties ->> {{value_property}})::numeric
                ELSE {otherwise} END"""


_VALUE: Final = _number("0")
_NUMBER: Final = _number("NULL")
_TEXT: Final = "CASE WHEN {value_property} = '' THEN e.subject ELSE e.properties ->> {value_property} END"
_SUM: Final = "sum({quantity})"
_ADDED: Final = "{held} + {added}"


def _percentile(per_mille: int) -> AggregationSql:
    """Return the SQL of a percentile.

    PostgreSQL takes the value at the rank that is fraction times number, rounded up, in binary floating point. A
    fraction that is smaller by 10^-12 gives the exact rank for up to 10^9 values.
    """
    fraction = f"0.{per_mille - 1:03}999999999"
    return AggregationSql(
        measured=_NUMBER, collected=f"percentile_disc({fraction}) WITHIN GROUP (ORDER BY {{quantity}})"
    )


AGGREGATION_SQL: Final = {
    "count": AggregationSql(measured="1::numeric", collected=_SUM, accumulated=_ADDED),
    "sum": AggregationSql(measured=_VALUE, collected=_SUM, accumulated=_ADDED),
    "avg": AggregationSql(measured=_NUMBER, collected=_SUM, accumulated=_ADDED),
    "max": AggregationSql(measured=_NUMBER, collected="max({quantity})", accumulated="greatest({held}, {added})"),
    "min": AggregationSql(measured=_NUMBER, collected="min({quantity})", accumulated="least({held}, {added})"),
    "time_weighted": AggregationSql(measured=_NUMBER, collected=_SUM),
    "latest": AggregationSql(
        measured=_NUMBER, collected="(max(ARRAY[extract(epoch FROM e.occurred_at), {quantity}]))[2]"
    ),
    "unique": AggregationSql(measured=_TEXT, collected="count(DISTINCT {quantity})::numeric"),
    **{code: _percentile(per_mille) for code, per_mille in PER_MILLE.items()},
}
_ALWAYS_COUNTED: Final = ", ".join(f"'{kind.code}'" for kind in AGGREGATIONS if not kind.needs_value)


def collected(aggregation: str, *, quantity: str) -> str:
    """Return the SQL aggregate of many quantities for a meter of this aggregation."""
    return AGGREGATION_SQL[aggregation].collected.format(quantity=quantity)


def measured_by_meter(aggregation: str, *, value_property: str, kinds: Sequence[Aggregation] = MERGEABLE) -> str:
    """Return `measured` for meters of these kinds whose aggregation is an SQL expression."""
    return _by_aggregation(aggregation, lambda sql: sql.measured.format(value_property=value_property), kinds)


def has_value_by_meter(aggregation: str, *, value_property: str, kinds: Sequence[Aggregation] = MERGEABLE) -> str:
    """Return the condition of `has_value`, without its `AND`, for meters whose aggregation is an SQL expression."""
    value = measured_by_meter(aggregation, value_property=value_property, kinds=kinds)
    return f"({aggregation} IN ({_ALWAYS_COUNTED}) OR ({value}) IS NOT NULL)"


def collected_by_meter(aggregation: str, *, quantity: str, kinds: Sequence[Aggregation] = MERGEABLE) -> str:
    """Return `collected` for meters of these kinds whose aggregation is an SQL expression."""
    return _by_aggregation(aggregation, lambda sql: sql.collected.format(quantity=quantity), kinds)


def accumulated_by_meter(aggregation: str, *, held: str, added: str, kinds: Sequence[Aggregation] = MERGEABLE) -> str:
    """Return `accumulated` for meters of these kinds whose aggregation is an SQL expression."""
    return _by_aggregation(aggregation, lambda sql: sql.accumulated.format(held=held, added=added), kinds)


def _by_aggregation(aggregation: str, part: Callable[[AggregationSql], str], kinds: Sequence[Aggregation]) -> str:
    """Return the expression of each kind behind its condition.

    Kinds that have one expression need no condition for it.
    """
    codes: dict[str, list[str]] = {}
    for kind in kinds:
        codes.setdefault(part(AGGREGATION_SQL[kind.code]), []).append(f"'{kind.code}'")
    if len(codes) == 1:
        return next(iter(codes))
    cases = " ".join(f"WHEN {aggregation} IN ({', '.join(named)}) THEN {sql}" for sql, named in codes.items())
    return f"CASE {cases} END"
