"""Data of webhooks about a tenant: endpoints, deliveries and attempts. None is about a person."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction

from accounts.models import Tenant
from accounts.services.privacy_parts import ExportPiece, PrivacyPart, exported_table
from accounts.sql import fetch_all
from accounts.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint

DELIVERIES_AT_ONCE: Final = 5000
# A delivery that is being sent is pending, so it is not deleted; those of an endpoint that stays paused are.
DELETE_OLD: Final = """
WITH old AS (
    SELECT d.id FROM webhooks_webhookdelivery AS d JOIN webhooks_webhookendpoint AS p ON p.id = d.endpoint_id
    WHERE d.created_at <= %(before)s AND (
        (d.status <> 'pending' AND d.ended_at <= %(before)s)
        OR (p.status = 'paused' AND coalesce(p.leased_until <= %(as_of)s, true))
    )
    LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED
), attempts AS (
    DELETE FROM webhooks_webhookattempt USING old WHERE delivery_id = old.id
)
SELECT id FROM old
"""
DELETE_DELIVERIES: Final = "DELETE FROM webhooks_webhookdelivery WHERE id = ANY(%(delivery_ids)s)"


class WebhooksPrivacy(PrivacyPart):
    """The part of webhooks in `settings.PRIVACY_PARTS`."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the files of endpoints, deliveries and attempts, without secrets."""
        own = {"tenant_id": tenant.pk}
        yield exported_table(
            "webhook_endpoints.json", WebhookEndpoint.objects.filter(**own), "id", "url", "event_types", "description",
            "status", "disabled_because", "disabled_at", "created_at",
        )  # fmt: skip
        yield exported_table(
            "webhook_deliveries.ndjson.gz", WebhookDelivery.objects.filter(**own), "id", "endpoint_id", "event_id",
            "event_type", "sequence", "status", "replays", "created_at", "ended_at",
        )  # fmt: skip
        yield exported_table(
            "webhook_attempts.ndjson.gz", WebhookAttempt.objects.filter(**own), "id", "delivery_id", "at",
            "status_code", "error", "milliseconds", "response",
        )  # fmt: skip

    def clean_up(self, *, as_of: datetime) -> dict[str, int]:
        """Delete deliveries that ended long ago, with their attempts. Their events stay, and can be replayed."""
        before = as_of - timedelta(days=settings.WEBHOOK_RETENTION_DAYS)
        total = 0
        while old := self._delete_some(before, as_of):
            total += old
        return {"webhook_deliveries": total}

    @staticmethod
    def _delete_some(before: datetime, as_of: datetime) -> int:
        with transaction.atomic():
            rows = fetch_all(DELETE_OLD, {"before": before, "as_of": as_of, "limit": DELIVERIES_AT_ONCE})
            fetch_all(DELETE_DELIVERIES, {"delivery_ids": [row[0] for row in rows]})
        return len(rows)
