"""The ledger's tables for SQL, and those that higher apps add by the setting `LAKE_TABLES`."""

from functools import lru_cache
from typing import Final

from django.conf import settings
from django.utils.module_loading import import_string

from metering.domain.http_requests import EVENT_TYPE
from metering.domain.ledger import NO_KEY
from metering.lake.domain.tables import LakeColumn, LakeTable

# 29 digits of an event's quantity, with room for the sum of a billion of them.
EVENT_QUANTITY: Final = "DECIMAL(38,9)"
# Sums of properties may have more decimal places; beyond the twelfth they are rounded half-up.
USAGE_QUANTITY: Final = "DECIMAL(38,12)"


def _of_request(name: str, kind: str = "VARCHAR", cast: str = "") -> LakeColumn:
    """Return a column of access logs: null for events of other types, and for values that are not of its type."""
    value = f"t.properties->>'{name}'"
    if cast:
        value = f"CASE WHEN {value} ~ '^[0-9]{{1,18}}$' THEN ({value})::{cast} END"
    return LakeColumn(name, kind, f"CASE WHEN t.type = '{EVENT_TYPE}' THEN {value} END")


EVENTS: Final = LakeTable(
    name="events",
    columns=(
        LakeColumn("id", "VARCHAR", "t.id"),
        LakeColumn("source", "VARCHAR", "t.source"),
        LakeColumn("type", "VARCHAR", "t.type"),
        LakeColumn("timestamp", "TIMESTAMPTZ", "t.occurred_at"),
        LakeColumn("quantity", EVENT_QUANTITY, "t.quantity"),
        LakeColumn("subject", "VARCHAR", "t.subject"),
        LakeColumn("api_key", "VARCHAR", "t.api_key_id"),
        LakeColumn("properties", "JSON", "t.properties"),
        LakeColumn("received_at", "TIMESTAMPTZ", "t.received_at"),
        LakeColumn("voided_at", "TIMESTAMPTZ", "v.voided_at"),
        LakeColumn("request_id", "VARCHAR", f"CASE WHEN t.type = '{EVENT_TYPE}' THEN t.id END"),
        _of_request("ip"),
        _of_request("user"),
        LakeColumn("request_time", "TIMESTAMPTZ", f"CASE WHEN t.type = '{EVENT_TYPE}' THEN t.occurred_at END"),
        _of_request("http_method"),
        _of_request("resource_path"),
        _of_request("status", "BIGINT", "bigint"),
        _of_request("protocol"),
        _of_request("response_length", "BIGINT", "bigint"),
    ),
    source=(
        "event AS t LEFT JOIN event_void AS v ON v.tenant_id = t.tenant_id AND v.is_live = t.is_live AND v.key = t.key"
    ),
    starts="t.occurred_at",
    ends="t.occurred_at",
    time="timestamp",
    is_by_day=True,
    own=(LakeColumn("key", "VARCHAR", "encode(t.key, 'hex')"),),
)
USAGE_HOUR: Final = LakeTable(
    name="usage_hour",
    columns=(
        LakeColumn("meter", "VARCHAR", "m.code"),
        LakeColumn("hour", "TIMESTAMPTZ", "t.hour"),
        LakeColumn("quantity", USAGE_QUANTITY, "t.quantity"),
        LakeColumn("events", "BIGINT", "t.events"),
    ),
    source="usage_hour AS t JOIN metering_meter AS m ON m.id = t.meter_id",
    starts="t.hour",
    ends="t.hour",
    time="hour",
)
USAGE_DAY: Final = LakeTable(
    name="usage_day",
    columns=(
        LakeColumn("meter", "VARCHAR", "m.code"),
        LakeColumn("day", "DATE", "t.day"),
        LakeColumn("api_key", "VARCHAR", f"nullif(t.api_key_id, '{NO_KEY}'::uuid)"),
        LakeColumn("dimensions", "JSON", "t.dimensions"),
        LakeColumn("quantity", USAGE_QUANTITY, "t.quantity"),
        LakeColumn("events", "BIGINT", "t.events"),
    ),
    source="usage_day AS t JOIN metering_meter AS m ON m.id = t.meter_id",
    # A day of the tenant's zone may begin or end half a day from that of UTC.
    starts="t.day - interval '14 hours'",
    ends="t.day + interval '38 hours'",
    time="day",
)


@lru_cache(maxsize=1)
def lake_tables() -> tuple[LakeTable, ...]:
    """Return the tables that SQL can be asked about."""
    return tuple(import_string(path) for path in settings.LAKE_TABLES)
