"""The hours of usage that a provider which keeps meters does not have yet."""

from datetime import datetime
from uuid import UUID

from accounts.sql import fetch_all
from billing.collection.models import ProviderCustomer, PushStatus, UsagePush
from metering.domain.aggregations.registry import ADDITIVE_CODES

# Only additive meters: a provider sums the numbers it receives.
# The whole number that a provider receives is the hour's total, rounded half-up. An hour that was pushed and has no
# usage left is pushed as 0.
CHANGED_HOURS = """
WITH usage AS (
    SELECT h.tenant_id, h.meter_id, h.hour, round(sum(h.quantity)) AS quantity
    FROM usage_hour AS h
    JOIN collection_providercustomer AS c ON c.tenant_id = h.tenant_id AND c.provider = %(provider)s
    JOIN metering_meter AS m ON m.id = h.meter_id AND m.aggregation = ANY(%(additive)s::text[])
    WHERE h.is_live AND h.hour >= %(since)s AND h.hour < %(until)s
    GROUP BY 1, 2, 3
),
pushed AS (
    SELECT DISTINCT ON (tenant_id, meter_id, hour) tenant_id, meter_id, hour, quantity, revision
    FROM collection_usagepush WHERE provider = %(provider)s AND hour >= %(since)s AND hour < %(until)s
    ORDER BY tenant_id, meter_id, hour, revision DESC
)
SELECT tenant_id, meter_id, hour, coalesce(u.quantity, 0), coalesce(p.revision, 0) + 1
FROM usage AS u FULL JOIN pushed AS p USING (tenant_id, meter_id, hour)
WHERE coalesce(u.quantity, 0) <> coalesce(p.quantity, 0)
ORDER BY hour, tenant_id, meter_id
LIMIT %(limit)s
"""


def changed_hours(
    *, provider: str, since: datetime, until: datetime, limit: int
) -> list[tuple[UUID, int, datetime, int, int]]:
    """Find hours from `since` to `until` whose total differs from the last push.

    Each is tenant, meter, hour, whole total, next revision.
    """
    parameters = {"provider": provider, "since": since, "until": until, "limit": limit, "additive": ADDITIVE_CODES}
    rows = fetch_all(CHANGED_HOURS, parameters)
    return [(tenant_id, meter_id, hour, int(total), revision) for tenant_id, meter_id, hour, total, revision in rows]


def pending_pushes(*, provider: str, limit: int) -> list[tuple[UsagePush, str]]:
    """Find pushes that the provider is not known to have, oldest first, each with its customer's reference."""
    waiting = UsagePush.objects.filter(provider=provider, status=PushStatus.PENDING).select_related("meter")
    pushes = list(waiting.order_by("created_at", "hour", "revision", "pk")[:limit])
    customers = ProviderCustomer.objects.filter(provider=provider, tenant__in={push.tenant_id for push in pushes})
    reference_of = dict(customers.values_list("tenant_id", "reference"))
    return [(push, reference_of[push.tenant_id]) for push in pushes]
