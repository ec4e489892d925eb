"""Endpoints that the sender disables: their pending deliveries end, and the tenant is told by mail."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.template.loader import render_to_string

from accounts.domain.actor import Actor
from accounts.domain.public_addresses import origin_of
from accounts.notices.selectors.recipients import recipients_of
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.services.audit import AuditTarget, record_audit
from accounts.sql import fetch_all
from accounts.webhooks.domain.mails import ENDPOINT_DISABLED
from accounts.webhooks.domain.statuses import DisabledBecause, EndpointStatus
from accounts.webhooks.models import WebhookEndpoint

ENDPOINT_PATH: Final = "/t/{slug}/webhooks/{endpoint_id}/"
END_DELIVERIES: Final = """
UPDATE webhooks_webhookdelivery SET status = 'failed', next_attempt_at = NULL, ended_at = %(as_of)s
WHERE endpoint_id = ANY(%(endpoint_ids)s) AND status = 'pending'
"""


def disable_and_tell(*, endpoint_ids: Collection[UUID], because: DisabledBecause, as_of: datetime) -> int:
    """Disable endpoints that the caller has locked. Return how many were not disabled before."""
    found = WebhookEndpoint.objects.filter(pk__in=list(endpoint_ids)).filter(~Q(status=EndpointStatus.DISABLED))
    disabled = list(found.select_related("tenant").order_by("pk"))
    fetch_all(END_DELIVERIES, {"endpoint_ids": [endpoint.pk for endpoint in disabled], "as_of": as_of})
    for endpoint in disabled:
        before = {"status": endpoint.status}
        endpoint.status, endpoint.disabled_because, endpoint.disabled_at = EndpointStatus.DISABLED, because, as_of
        endpoint.due_at = None
        endpoint.save(update_fields=["status", "disabled_because", "disabled_at", "due_at"])
        record_audit(
            actor=Actor.system(),
            action="webhook_endpoint.disabled",
            tenant_id=endpoint.tenant_id,
            target=AuditTarget("webhook_endpoint", endpoint.pk, origin_of(endpoint.url)),
            before=before,
            after={"status": endpoint.status, "because": because.value},
            as_of=as_of,
        )
    queue_mails([_mail(endpoint, as_of) for endpoint in disabled], as_of=as_of)
    return len(disabled)


def _mail(endpoint: WebhookEndpoint, as_of: datetime) -> NewMail:
    tenant = endpoint.tenant
    context = {
        "tenant": tenant,
        "endpoint": endpoint,
        "origin": origin_of(endpoint.url),
        "is_gone": endpoint.disabled_because == DisabledBecause.GONE,
        "url": f"{settings.PUBLIC_URL}{ENDPOINT_PATH.format(slug=tenant.slug, endpoint_id=endpoint.pk)}",
    }
    return NewMail(
        tenant_id=tenant.pk,
        kind=ENDPOINT_DISABLED.name,
        dedupe_key=f"{ENDPOINT_DISABLED.name}:{endpoint.pk}:{as_of.isoformat()}",
        recipients=recipients_of(tenant=tenant, kind=ENDPOINT_DISABLED),
        subject=render_to_string("webhooks/email/endpoint_disabled_subject.txt", context).strip(),
        text=render_to_string("webhooks/email/endpoint_disabled.txt", context),
        html=render_to_string("webhooks/email/endpoint_disabled.html", context),
        page=f"webhooks/{endpoint.pk}/",
    )
