"""Webhooks in an export, and how long deliveries are kept."""

from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from accounts.models import Tenant
from accounts.notices.models import OutboxEvent
from accounts.services.privacy_parts import ExportedRows
from accounts.webhooks.models import WebhookAttempt, WebhookDelivery
from accounts.webhooks.services.endpoints import change_endpoint
from accounts.webhooks.services.privacy import WebhooksPrivacy
from tests.accounts.webhooks.world import DOWN, SYSTEM, claim, make_endpoint, send, tell

pytestmark = pytest.mark.django_db


def test_an_export_has_endpoints_deliveries_and_attempts_and_no_secret(
    acme: Tenant, globex: Tenant, now: datetime
) -> None:
    secret = make_endpoint(acme, now).secret
    make_endpoint(globex, now)
    for tenant in (acme, globex):
        tell(tenant, now)
    send(now)
    files = [piece for piece in WebhooksPrivacy().files(tenant=acme) if isinstance(piece, ExportedRows)]
    rows = {file.name: [row for page in file.pages() for row in page] for file in files}
    assert {name: len(found) for name, found in rows.items()} == {
        "webhook_endpoints.json": 1,
        "webhook_deliveries.ndjson.gz": 1,
        "webhook_attempts.ndjson.gz": 1,
    }
    assert secret not in str(rows)


def test_old_deliveries_go_with_their_attempts_and_what_is_pending_stays(
    acme: Tenant, now: datetime, settings: Settings
) -> None:
    settings.WEBHOOK_RETENTION_DAYS = 30
    make_endpoint(acme, now)
    tell(acme, now)
    send(now)
    tell(acme, now)
    send(now, DOWN)
    later = now + timedelta(days=30)
    tell(acme, later)
    assert WebhooksPrivacy().clean_up(as_of=later - timedelta(seconds=1)) == {"webhook_deliveries": 0}
    assert WebhooksPrivacy().clean_up(as_of=later) == {"webhook_deliveries": 1}
    assert list(WebhookDelivery.objects.values_list("sequence", flat=True)) == [2]
    assert WebhookAttempt.objects.count() == 1
    assert OutboxEvent.objects.count() == 3


def test_what_waits_for_a_paused_endpoint_is_kept_as_long(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, status="paused")
    tell(acme, now)
    claim(now)
    assert WebhooksPrivacy().clean_up(as_of=now + timedelta(days=29)) == {"webhook_deliveries": 0}
    assert WebhooksPrivacy().clean_up(as_of=now + timedelta(days=31)) == {"webhook_deliveries": 1}
