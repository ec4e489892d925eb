"""The ledger's tables, which SQL makes, and the event type of access logs with its two meters."""

from datetime import UTC, datetime
from pathlib import Path

from django.db import migrations

LEDGER = Path(__file__).with_name("ledger.sql").read_text()
DROP = """
DROP FUNCTION ledger_ensure_event_partition(date);
DROP TABLE event, event_identity, event_void, usage_hour, usage_day, limit_counter, limit_bucket;
"""
DIMENSIONS = ["http_method", "resource_path", "status"]


def add_http_request(apps, schema_editor):
    """Every tenant has these from the first day on, so that an access log needs no set-up."""
    created_at = datetime(2026, 1, 1, tzinfo=UTC)
    http_request = apps.get_model("metering", "EventType").objects.create(
        code="http_request", name="HTTP request", description="One request to your API.", created_at=created_at
    )
    meter = apps.get_model("metering", "Meter").objects
    meter.create(
        code="api_requests", name="API requests", unit="requests", event_type=http_request, aggregation="count",
        dimensions=DIMENSIONS, counts_from=datetime(2000, 1, 1, tzinfo=UTC), created_at=created_at,
    )  # fmt: skip
    meter.create(
        code="api_bytes", name="Bytes sent", unit="bytes", event_type=http_request, aggregation="sum",
        value_property="response_length", dimensions=DIMENSIONS, counts_from=datetime(2000, 1, 1, tzinfo=UTC), created_at=created_at,
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_initial")]
    operations = [
        migrations.RunSQL(LEDGER, DROP),
        migrations.RunPython(add_http_request, migrations.RunPython.noop),
    ]
