"""Quota periods in SQL: the same days as `metering.domain.periods.days_of` returns."""

_FIRST_OF_A_MONTH = "DATE '2000-01-01'"


def first_day(period: str, day: str, anchor_on: str) -> str:
    """Return the expression of the first day of the period in which `day` lies. All three are expressions."""
    return f"""CASE WHEN {period} IN ('day', 'week') THEN date_trunc({period}, {day}::timestamp)::date ELSE (
        SELECT (p.anchor + make_interval(months => p.n - ((p.anchor + make_interval(months => p.n))::date > {day})::int)
            )::date
        FROM (SELECT a.anchor, {_months_between("a.anchor", day)} AS n
            FROM (SELECT {_anchor(period, anchor_on)} AS anchor) AS a) AS p) END"""


def end_day(period: str, first: str, anchor_on: str) -> str:
    """Return the expression of the first day of the next period, for the first day of one."""
    anchor = _anchor(period, anchor_on)
    return f"""CASE {period} WHEN 'day' THEN {first} + 1 WHEN 'week' THEN {first} + 7 ELSE
        ({anchor} + make_interval(months => {_months_between(anchor, first)} + 1))::date END"""


def _anchor(period: str, anchor_on: str) -> str:
    return f"coalesce(CASE WHEN {period} = 'billing' THEN {anchor_on} END, {_FIRST_OF_A_MONTH})"


def _months_between(anchor: str, day: str) -> str:
    return (
        f"((extract(year FROM {day}) - extract(year FROM {anchor})) * 12"
        f" + extract(month FROM {day}) - extract(month FROM {anchor}))::int"
    )
