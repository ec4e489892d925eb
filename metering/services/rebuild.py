"""Rebuild usage: every rollup can be deleted and computed again from the ledger.

Rollups of sealed months are the exception: they are the only record left, and are not changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import day_span, end_of_hour, local_day, start_of_hour
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.formula_sql import with_formulas
from metering.selectors.ledger_totals import buckets_from_ledger, seam_parameters
from metering.selectors.retention import kept_since, seam_of
from metering.selectors.statements import meters_parameter
from metering.services.ledger_lock import lock_ledger

_OF_LEDGER = "tenant_id = %(tenant_id)s AND is_live = %(is_live)s"
CLEAR = (
    f"DELETE FROM usage_hour WHERE {_OF_LEDGER} AND hour >= %(hours_from)s::timestamptz",
    f"DELETE FROM usage_day WHERE {_OF_LEDGER} AND day >= %(days_from)s::date",
    f"DELETE FROM limit_counter WHERE {_OF_LEDGER}",
)
# A day of the tenant's zone, and all hours of UTC that it touches.
_OF_METERS = f"{_OF_LEDGER} AND meter_id = ANY(%(meter_ids)s)"
CLEAR_DAY = (
    f"DELETE FROM usage_hour WHERE {_OF_METERS} AND hour >= %(start)s AND hour < %(end)s",
    f"DELETE FROM usage_day WHERE {_OF_METERS} AND day = %(day)s",
)


def _fill(buckets: str, only_days: str = "") -> str:
    return f"""
{buckets},
hours AS (
    INSERT INTO usage_hour (tenant_id, is_live, meter_id, hour, slot, quantity, events)
    SELECT %(tenant_id)s::uuid, %(is_live)s, meter_id, hour, 0, quantity, events FROM hour_in_ledger RETURNING 1
),
days AS (
    INSERT INTO usage_day (tenant_id, is_live, meter_id, day, api_key_id, dimension_key, slot, dimensions, quantity,
        events)
    SELECT %(tenant_id)s::uuid, %(is_live)s, meter_id, day, api_key_id, dimension_key, 0, dimensions, quantity, events
    FROM day_in_ledger {only_days} RETURNING 1
)
SELECT (SELECT count(*) FROM hours), (SELECT count(*) FROM days)
"""


FILL = _fill(buckets_from_ledger())
FILL_DAY = _fill(
    buckets_from_ledger("AND e.occurred_at >= %(start)s AND e.occurred_at < %(end)s"), "WHERE day = %(day)s::date"
)


@dataclass(frozen=True, slots=True)
class RebuiltUsage:
    """The number of rows written to each rollup from `since` on, before which it is sealed. None: no part is sealed."""

    hours: int
    days: int
    since: datetime | None = None


@transaction.atomic
def rebuild_usage(*, ledger: Ledger) -> RebuiltUsage:
    """Compute a tenant's rollups again from its events and voids.

    Ingest waits until the end; readers see the old rows until then.
    """
    lock_ledger(ledger)
    parameters = _parameters(ledger, rules_in_rollups())
    for statement in CLEAR:
        fetch_all(statement, parameters)
    hours, days = fetch_all(with_formulas(FILL, rules_in_rollups()), parameters)[0]
    return RebuiltUsage(hours=hours, days=days, since=kept_since())


def rebuild_day(*, ledger: Ledger, rules: Sequence[MeterRule], instant: datetime) -> None:
    """Compute the rollups of some meters again for the day of `instant`. The caller has locked the ledger."""
    day = local_day(instant, ledger.time_zone)
    span = day_span(day, ledger.time_zone)
    parameters = _parameters(ledger, rules) | {
        "meter_ids": [rule.id for rule in rules],
        "day": day,
        "start": start_of_hour(span.start),
        "end": end_of_hour(span.end),
    }
    for statement in (*CLEAR_DAY, with_formulas(FILL_DAY, rules)):
        fetch_all(statement, parameters)


def _parameters(ledger: Ledger, rules: Sequence[MeterRule]) -> dict[str, object]:
    return {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "time_zone": ledger.time_zone,
        "meters": meters_parameter(rules),
        **seam_parameters(seam_of(ledger)),
    }
