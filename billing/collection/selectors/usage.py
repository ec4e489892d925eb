"""The hours of usage that a provider which keeps meters does not have yet."""

from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Exists, OuterRef

from accounts.sql import fetch_all
from billing.collection.models import ProviderCustomer, PushStatus, UsagePush
from metering.domain.aggregations.registry import ADDITIVE_CODES

# Only additive meters: a provider sums the numbers it receives.
# A provider takes so many decimals. What an hour adds to the rounded running total of its UTC day is pushed, so that
# a day's hours sum to the day, rounded half-up once. An hour that was pushed and has no usage left is pushed as 0.
CHANGED_HOURS = """
WITH usage AS (
    SELECT tenant_id, meter_id, hour,
        round(running, %(decimals)s::int) - round(running - quantity, %(decimals)s::int) AS quantity
    FROM (
        SELECT h.tenant_id, h.meter_id, h.hour, sum(h.quantity) AS quantity, sum(sum(h.quantity)) OVER (
            PARTITION BY h.tenant_id, h.meter_id, date_trunc('day', h.hour AT TIME ZONE 'UTC') ORDER BY h.hour
        ) AS running
        FROM usage_hour AS h
        JOIN collection_providercustomer AS c ON c.tenant_id = h.tenant_id AND c.provider = %(provider)s
        JOIN metering_meter AS m ON m.id = h.meter_id AND m.aggregation = ANY(%(additive)s::text[])
        WHERE h.is_live AND h.hour >= %(day)s AND h.hour < %(until)s
        GROUP BY 1, 2, 3
    ) AS hours WHERE hour >= %(since)s
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

# A day as it is rounded once, and the sum of the days.
USAGE = """
SELECT reference, code, sum(quantity) FROM (
    SELECT c.reference, m.code, round(sum(h.quantity), %(decimals)s::int) AS quantity
    FROM usage_hour AS h
    JOIN collection_providercustomer AS c ON c.tenant_id = h.tenant_id AND c.provider = %(provider)s
        AND c.reference = ANY(%(references)s::text[])
    JOIN metering_meter AS m ON m.id = h.meter_id AND m.aggregation = ANY(%(additive)s::text[])
    WHERE h.is_live AND h.hour >= %(since)s AND h.hour < %(until)s
    GROUP BY 1, 2, date_trunc('day', h.hour AT TIME ZONE 'UTC')
) AS days GROUP BY 1, 2
"""


def changed_hours(
    *, provider: str, since: datetime, until: datetime, limit: int, decimals: int = 0
) -> list[tuple[UUID, int, datetime, Decimal, int]]:
    """Find hours from `since` to `until` whose total differs from the last push.

    Each is tenant, meter, hour, total with so many decimals, next revision.
    """
    day = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    parameters = {"provider": provider, "since": since, "until": until, "limit": limit, "additive": ADDITIVE_CODES}
    return fetch_all(CHANGED_HOURS, {**parameters, "day": day, "decimals": decimals})


def usage_by_customer(
    *, provider: str, references: Collection[str], since: datetime, until: datetime, decimals: int
) -> dict[tuple[str, str], Decimal]:
    """Return the usage of customers by their reference and the meter's code, as it is to be at the provider."""
    parameters = {"provider": provider, "since": since, "until": until, "additive": ADDITIVE_CODES}
    rows = fetch_all(USAGE, {**parameters, "references": list(references), "decimals": decimals})
    return {(reference, code): quantity for reference, code, quantity in rows}


def customers_to_compare(*, provider: str, limit: int, turn: int, always: Collection[str] = ()) -> dict[str, UUID]:
    """Return customers whose usage is compared in this turn: all of them have their turn, and some always."""
    waiting = UsagePush.objects.filter(provider=provider, status=PushStatus.PENDING).values("tenant")
    rows = ProviderCustomer.objects.filter(provider=provider).exclude(tenant__in=waiting)
    count = rows.count()
    first = turn * limit % count if count > limit else 0
    chosen = dict(rows.order_by("pk").values_list("reference", "tenant_id")[first : first + limit])
    return chosen | dict(rows.filter(reference__in=always).values_list("reference", "tenant_id"))


def pending_pushes(*, provider: str, limit: int) -> list[tuple[UsagePush, str]]:
    """Find pushes that the provider is not known to have, oldest first, each with its customer's reference."""
    is_known = ProviderCustomer.objects.filter(provider=provider, tenant=OuterRef("tenant"))
    waiting = UsagePush.objects.filter(Exists(is_known), provider=provider, status=PushStatus.PENDING)
    waiting = waiting.select_related("meter")
    pushes = list(waiting.order_by("created_at", "hour", "revision", "pk")[:limit])
    customers = ProviderCustomer.objects.filter(provider=provider, tenant__in={push.tenant_id for push in pushes})
    reference_of = dict(customers.values_list("tenant_id", "reference"))
    return [(push, reference_of[push.tenant_id]) for push in pushes]
