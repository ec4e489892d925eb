"""The SQL of kinds whose events report a level that lasts: when each level ends, and how long it lasted in a window."""

from collections.abc import Sequence

from metering.domain.aggregations.description import Aggregation


def level_end(kind: Aggregation, *, partition: Sequence[str], value: str, ends: Sequence[str]) -> str:
    """Return the expression of when the level of an event `e` ends.

    That is when the next event of its series occurred, after its longest time, or at one of `ends`, of which NULL is
    none. Of several events at one instant the greatest level lasts.
    """
    assert kind.lasts is not None, "an event of this kind lasts"
    hours = kind.lasts.total_seconds() // 3600
    following = f"lead(e.occurred_at) OVER (PARTITION BY {', '.join(partition)} ORDER BY e.occurred_at, {value})"
    return f"least({following}, e.occurred_at + interval '{hours:.0f} hours', {', '.join(ends)})"


def seconds_of(value: str, *, start: str, end: str) -> str:
    """Return the expression of a level times the seconds from `start` to `end`, exact to the microsecond."""
    return f"{value} * greatest(extract(epoch FROM {end} - {start}), 0)"
