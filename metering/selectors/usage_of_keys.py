"""The days of many keys at once, out of the rollup by day, for a list of keys."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from uuid import UUID

from accounts.sql import fetch_all
from metering.domain.meter_rules import MeterRule
from metering.selectors.aggregation_sql import collected


def daily_usage_of_keys(
    *, tenant_id: UUID, api_key_ids: Collection[UUID], meter: MeterRule, start: date, end: date
) -> Mapping[UUID, Mapping[date, Decimal]]:
    """Return a meter's usage by key and day of the tenant's zone, `start <= day < end`, in one query.

    Days and keys without usage are left out. A key belongs to one half of the ledger; both are read. Of a meter that
    the rollups do not keep, nothing is returned.
    """
    if not meter.is_in_rollups:
        return {}
    rows = fetch_all(
        f"SELECT api_key_id, day, {collected(meter.aggregation.code, quantity='quantity')}, sum(events) FROM usage_day"
        " WHERE tenant_id = %(tenant_id)s AND is_live = ANY('{t,f}') AND meter_id = %(meter_id)s"
        " AND day >= %(start)s AND day < %(end)s AND api_key_id = ANY(%(keys)s)"
        " GROUP BY api_key_id, day HAVING sum(events) <> 0",
        {"tenant_id": tenant_id, "meter_id": meter.id, "start": start, "end": end, "keys": list(api_key_ids)},
    )
    found: dict[UUID, dict[date, Decimal]] = defaultdict(dict)
    for key_id, day, quantity, events in rows:
        found[key_id][day] = meter.aggregation.quantity_of(quantity, int(events))
    return found
