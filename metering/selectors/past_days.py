"""The whole days before today, by which a month's usage is forecast: of all meters by one statement over `usage_hour`.

Days of zones whose hours are not whole hours of UTC are cut at the hour before; it is the same hour on each day.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from accounts.sql import fetch_all
from metering.domain.forecasting import DAYS_SEEN, PastDay, PastDays
from metering.domain.ledger import Ledger
from metering.domain.periods import days_between, local_day, start_of_day, start_of_hour

_DAY: Final = timedelta(days=1)
_MICROSECONDS_OF_HOUR: Final = 3_600_000_000
# A day of 25 hours has an hour that others do not have: the hours of its day until now are cut at the same distance.
PAST_DAYS: Final = """
SELECT h.meter_id, d.n, sum(h.quantity),
    sum(h.quantity * CASE WHEN h.hour < d.cut_at THEN 1 WHEN h.hour = d.cut_at THEN %(part)s::numeric ELSE 0 END),
    min(h.hour)
FROM usage_hour AS h
CROSS JOIN LATERAL (
    SELECT n, (%(cuts)s::timestamptz[])[n] AS cut_at
    FROM width_bucket(h.hour, %(starts)s::timestamptz[]) AS n) AS d
WHERE h.tenant_id = %(tenant_id)s AND h.is_live = %(is_live)s AND h.meter_id = ANY(%(meters)s)
    AND h.hour >= %(start)s AND h.hour < %(end)s AND h.events <> 0
GROUP BY 1, 2
"""


def past_days(*, ledger: Ledger, meter_ids: Sequence[int], as_of: datetime) -> dict[int, PastDays]:
    """Return the days of each meter that has usage in them or today, by its id.

    A first day in which usage began is not whole, so it is left out.
    """
    zone = ledger.time_zone
    today = local_day(as_of, zone)
    days = days_between(start_of_day(today - DAYS_SEEN * _DAY, zone), start_of_day(today, zone), zone)
    starts = [start_of_hour(start_of_day(day, zone)) for day in [*days, today]]
    elapsed = start_of_hour(as_of) - starts[-1]
    rows = fetch_all(
        PAST_DAYS,
        {
            "tenant_id": ledger.tenant_id,
            "is_live": ledger.is_live,
            "meters": list(meter_ids),
            "starts": starts,
            "cuts": [start + elapsed for start in starts],
            "part": Decimal((as_of - start_of_hour(as_of)) // timedelta(microseconds=1)) / _MICROSECONDS_OF_HOUR,
            "start": starts[0],
            "end": as_of,
        },
    )
    found: dict[int, dict[int, tuple[Decimal, Decimal]]] = {}
    began: dict[int, datetime] = {}
    for meter_id, number, quantity, by_now, first_hour in rows:
        found.setdefault(meter_id, {})[number - 1] = (quantity, by_now)
        began[meter_id] = min(began.get(meter_id, as_of), first_hour.astimezone(UTC))
    weekdays = [day.weekday() for day in days]
    return {meter_id: PastDays(_whole_days(used, weekdays), began[meter_id]) for meter_id, used in found.items()}


def _whole_days(used: dict[int, tuple[Decimal, Decimal]], weekdays: Sequence[int]) -> tuple[PastDay, ...]:
    first = min(used)
    zero = (Decimal(0), Decimal(0))
    return tuple(
        PastDay(weekday, *used.get(number, zero))
        for number, weekday in enumerate(weekdays)
        if number > first or number == first == 0
    )
