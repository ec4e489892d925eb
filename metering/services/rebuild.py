"""Rebuilding usage: every rollup can be thrown away and computed again from the ledger."""

from dataclasses import dataclass

from django.db import transaction

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger
from metering.selectors.catalog import meter_rules
from metering.selectors.ledger_totals import BUCKETS_FROM_LEDGER
from metering.selectors.statements import meters_parameter
from metering.services.ledger_lock import lock_ledger

CLEAR = (
    "DELETE FROM usage_hour WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s",
    "DELETE FROM usage_day WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s",
    "DELETE FROM limit_counter WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s",
)
FILL = f"""
{BUCKETS_FROM_LEDGER},
hours AS (
    INSERT INTO usage_hour (tenant_id, is_live, meter_id, hour, slot, quantity, events)
    SELECT %(tenant_id)s::uuid, %(is_live)s, meter_id, hour, 0, quantity, events FROM hour_in_ledger RETURNING 1
),
days AS (
    INSERT INTO usage_day (tenant_id, is_live, meter_id, day, api_key_id, dimension_key, slot, dimensions, quantity, events)
    SELECT %(tenant_id)s::uuid, %(is_live)s, meter_id, day, api_key_id, dimension_key, 0, dimensions, quantity, events
    FROM day_in_ledger RETURNING 1
)
SELECT (SELECT count(*) FROM hours), (SELECT count(*) FROM days)
"""


@dataclass(frozen=True, slots=True)
class RebuiltUsage:
    """How many rows each rollup has now."""

    hours: int
    days: int


@transaction.atomic
def rebuild_usage(*, ledger: Ledger) -> RebuiltUsage:
    """Compute a tenant's rollups anew from its events and voids. Ingest waits meanwhile; readers see the old rows until the end."""
    parameters = {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "time_zone": ledger.time_zone,
        "meters": meters_parameter(meter_rules()),
    }
    lock_ledger(ledger)
    for statement in CLEAR:
        fetch_all(statement, parameters)
    hours, days = fetch_all(FILL, parameters)[0]
    return RebuiltUsage(hours=hours, days=days)
