"""Digests of the rollups of months whose raw events are deleted, and the meters whose rollups have changed since.

A digest is the SHA-256 of all rows, one line each, in the order of their keys. Slots are summed, and empty rows are
left out. Numbers are written without trailing zeros.
"""

from decimal import Decimal
from typing import Final

from accounts.sql import fetch_all
from metering.domain.ledger import Drift, Ledger
from metering.selectors.aggregation_sql import collected_by_meter
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.statements import METERS, aggregation_of, meters_parameter

_OF_LEDGER: Final = "tenant_id = %(tenant_id)s::uuid AND is_live = %(is_live)s"
_SEALED: Final = f"SELECT month, days_from FROM sealed_ledger WHERE {_OF_LEDGER}"


def _digest(line: str, order: str) -> str:
    return (
        f"encode(sha256(convert_to(string_agg({line} || '|' || trim_scale(quantity)::text || '|' || events, E'\\n'"
        f" ORDER BY {order}), 'UTF8')), 'hex')"
    )


def rollups_by_month(months: str) -> str:
    """Return expressions up to `in_rollups`: the rollups by month and meter, with digests.

    `months` is a statement of months with the day from which their ledger's days are no longer theirs.
    """
    hours = collected_by_meter(aggregation_of("h.meter_id"), quantity="h.quantity")
    days = collected_by_meter(aggregation_of("d.meter_id"), quantity="d.quantity")
    return f"""
WITH {METERS},
months AS MATERIALIZED ({months}),
hour_rows AS (
    SELECT date_trunc('month', h.hour, 'UTC')::date AS month, h.meter_id, h.hour, {hours} AS quantity,
        sum(h.events)::bigint AS events
    FROM usage_hour AS h
    WHERE {_OF_LEDGER} AND h.hour < (SELECT max(month) + interval '1 month' FROM months) AT TIME ZONE 'UTC'
    GROUP BY 1, 2, 3
),
day_rows AS (
    SELECT (SELECT min(m.month) FROM months AS m WHERE m.days_from > d.day) AS month, d.meter_id, d.day, d.api_key_id,
        d.dimension_key, {days} AS quantity, sum(d.events)::bigint AS events
    FROM usage_day AS d WHERE {_OF_LEDGER} AND d.day < (SELECT max(days_from) FROM months)
    GROUP BY 1, 2, 3, 4, 5
),
by_hours AS (
    SELECT month, meter_id, {collected_by_meter(aggregation_of("hour_rows.meter_id"), quantity="quantity")} AS quantity,
        sum(events)::bigint AS events,
        {_digest("extract(epoch FROM hour)::bigint", "hour")} AS digest
    FROM hour_rows WHERE events <> 0 OR quantity <> 0 GROUP BY 1, 2
),
by_days AS (
    SELECT month, meter_id,
        {_digest("day || '|' || api_key_id || '|' || encode(dimension_key, 'hex')", "day, api_key_id, dimension_key")}
            AS digest
    FROM day_rows WHERE events <> 0 OR quantity <> 0 GROUP BY 1, 2
),
in_rollups AS (
    SELECT month, meter_id, coalesce(h.quantity, 0) AS quantity, coalesce(h.events, 0) AS events,
        coalesce(h.digest, '') AS hours_digest, coalesce(d.digest, '') AS days_digest
    FROM by_hours AS h FULL JOIN by_days AS d USING (month, meter_id)
)"""


DRIFTS: Final = f"""
{rollups_by_month(_SEALED)},
sealed AS (SELECT * FROM sealed_rollup WHERE {_OF_LEDGER})
SELECT month::text, meter_id, coalesce(s.quantity, 0), coalesce(r.quantity, 0), coalesce(s.events, 0),
    coalesce(r.events, 0)
FROM sealed AS s FULL JOIN in_rollups AS r USING (month, meter_id)
WHERE (s.events, s.hours_digest, s.days_digest) IS DISTINCT FROM (r.events, r.hours_digest, r.days_digest)
ORDER BY month, meter_id
"""
# Identities of sealed events are kept and must still match.
IDENTITIES: Final = f"""
SELECT s.month::text, s.events, (
    SELECT count(*) FROM event_identity AS i WHERE i.tenant_id = %(tenant_id)s::uuid AND i.is_live = %(is_live)s
        AND i.occurred_at >= s.month::timestamp AT TIME ZONE 'UTC'
        AND i.occurred_at < (s.month + interval '1 month') AT TIME ZONE 'UTC')
FROM sealed_ledger AS s WHERE {_OF_LEDGER} ORDER BY 1
"""


def sealed_drifts(ledger: Ledger) -> list[Drift]:
    """Return the sealed months and meters whose rollups differ from the sealed ones, and lost identities."""
    parameters = {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "meters": meters_parameter(rules_in_rollups()),
    }
    rollups = [
        Drift(ledger.tenant_id, ledger.is_live, "sealed_rollup", {"month": month[:7], "meter": meter_id}, *numbers)
        for month, meter_id, *numbers in fetch_all(DRIFTS, parameters)
    ]
    identities = [
        Drift(
            ledger.tenant_id, ledger.is_live, "event_identity", {"month": month[:7]},
            Decimal(sealed), Decimal(found), sealed, found,
        )
        for month, sealed, found in fetch_all(IDENTITIES, parameters)
        if sealed != found
    ]  # fmt: skip
    return [*rollups, *identities]
