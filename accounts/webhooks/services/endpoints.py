"""Endpoints: created, changed, paused, resumed, deleted. Their secrets: shown once, rotated with an overlap."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.at_rest import ENDPOINT_SECRET, seal_text
from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.public_addresses import origin_of
from accounts.domain.roles import Capability
from accounts.errors import ConflictError, NotFoundError
from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability
from accounts.sql import fetch_all
from accounts.webhooks.domain.event_types import checked_event_types
from accounts.webhooks.domain.signing import generate_secret
from accounts.webhooks.domain.statuses import TRANSITIONS, EndpointStatus
from accounts.webhooks.domain.terms import ENDPOINTS_MAX, GRACE_DEFAULT, checked_description, checked_grace, checked_url
from accounts.webhooks.errors import TooManyEndpointsError
from accounts.webhooks.models import WebhookEndpoint, WebhookSecret

# From the tables that refer to others to those that others refer to, each by one statement.
DELETE_ATTEMPTS: Final = """
DELETE FROM webhooks_webhookattempt USING webhooks_webhookdelivery AS d
WHERE d.id = delivery_id AND d.endpoint_id = %(endpoint_id)s
"""
DELETE_DELIVERIES: Final = "DELETE FROM webhooks_webhookdelivery WHERE endpoint_id = %(endpoint_id)s"
# The endpoint is due when its earliest delivery is, or when the sender that still has it is done. The row is locked, so
# no delivery is added meanwhile.
RESUME: Final = """
UPDATE webhooks_webhookendpoint AS p SET status = 'active', disabled_because = '', disabled_at = NULL,
    failures = 0, failing_since = NULL, last_failed_at = NULL, rests_until = NULL, is_suspect = false,
    due_at = (
        SELECT greatest(min(d.next_attempt_at), p.leased_until) FROM webhooks_webhookdelivery AS d
        WHERE d.endpoint_id = p.id AND d.status = 'pending'
    )
WHERE p.id = %(endpoint_id)s
"""


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint and, only this once, its secret."""

    endpoint: WebhookEndpoint
    secret: str = field(repr=False)
    expires_previous_at: datetime | None = None


@transaction.atomic
def create_endpoint(
    *, tenant: Tenant, url: str, event_types: Iterable[str], description: str, actor: Actor, as_of: datetime
) -> NewSecret:
    """Create an endpoint. Events that occur from now on are sent to it.

    Raises `InvalidFieldsError`, `PermissionMissingError`, `TooManyEndpointsError`.
    """
    checked_url(url, settings.WEBHOOK_ALLOWED_NETWORKS)
    types, text = checked_event_types(event_types), checked_description(description)
    _lock(tenant.pk, actor)
    if WebhookEndpoint.objects.filter(tenant=tenant).count() >= ENDPOINTS_MAX:
        raise TooManyEndpointsError(f"An organisation has at most {ENDPOINTS_MAX} webhook endpoints.")
    endpoint = WebhookEndpoint.objects.create(
        id=uuid7(as_of), tenant=tenant, url=url, event_types=list(types), description=text, created_at=as_of
    )
    secret = _add_secret(endpoint, as_of)
    _audit(actor, "webhook_endpoint.created", endpoint, as_of, after=_facts(endpoint))
    return NewSecret(endpoint, secret)


@transaction.atomic
def change_endpoint(*, endpoint: WebhookEndpoint, actor: Actor, as_of: datetime, **wanted: object) -> WebhookEndpoint:
    """Set `url`, `event_types`, `description` and `status`; what is not named stays.

    Raises `InvalidFieldsError`, `PermissionMissingError`, and `ConflictError` for a status that cannot follow.
    """
    assert wanted.keys() <= {"url", "event_types", "description", "status"}, "what a customer may set"
    _lock(endpoint.tenant_id, actor)
    current = _lock_endpoint(endpoint)
    before = _facts(current)
    if "url" in wanted:
        checked_url(str(wanted["url"]), settings.WEBHOOK_ALLOWED_NETWORKS)
        current.url = str(wanted["url"])
    if "event_types" in wanted:
        current.event_types = list(checked_event_types(wanted["event_types"]))  # type: ignore[arg-type] # texts
    if "description" in wanted:
        current.description = checked_description(str(wanted["description"]))
    current.save(update_fields=["url", "event_types", "description"])
    status = EndpointStatus(str(wanted.get("status", current.status)))
    if status != current.status:
        _set_status(current, status)
    after = _facts(current)
    changed = [name for name in after if before[name] != after[name]]
    if changed:
        _audit(
            actor,
            "webhook_endpoint.changed",
            current,
            as_of,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
    return current


@transaction.atomic
def delete_endpoint(*, endpoint: WebhookEndpoint, actor: Actor, as_of: datetime) -> None:
    """Delete an endpoint with its secrets and deliveries. Nothing is sent to it any more.

    Raises `PermissionMissingError`.
    """
    _lock(endpoint.tenant_id, actor)
    current = _lock_endpoint(endpoint)
    for statement in (DELETE_ATTEMPTS, DELETE_DELIVERIES):
        fetch_all(statement, {"endpoint_id": current.pk})
    _audit(actor, "webhook_endpoint.deleted", current, as_of, before=_facts(current))
    current.delete()


@transaction.atomic
def rotate_secret(
    *, endpoint: WebhookEndpoint, actor: Actor, as_of: datetime, grace: timedelta = GRACE_DEFAULT
) -> NewSecret:
    """Create a new secret of the endpoint. The one before signs too until the grace ends; any earlier one ends now.

    Raises `InvalidFieldsError`, `PermissionMissingError`.
    """
    expires_at = as_of + checked_grace(grace)
    _lock(endpoint.tenant_id, actor)
    current = _lock_endpoint(endpoint)
    secrets = WebhookSecret.objects.filter(endpoint=current)
    secrets.exclude(expires_at=None).delete()
    if grace:
        secrets.update(expires_at=expires_at)
    else:
        secrets.delete()
    secret = _add_secret(current, as_of)
    _audit(actor, "webhook_endpoint.secret_rotated", current, as_of, after={"previous_signs_until": expires_at})
    return NewSecret(current, secret, expires_at)


def _set_status(endpoint: WebhookEndpoint, status: EndpointStatus) -> None:
    if status not in TRANSITIONS[EndpointStatus(endpoint.status)]:
        raise ConflictError(f"An endpoint that is {endpoint.status} cannot become {status.value}.")
    if status is EndpointStatus.ACTIVE:
        fetch_all(RESUME, {"endpoint_id": endpoint.pk})
    else:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(status=status, due_at=None)
    endpoint.refresh_from_db()


def _lock(tenant_id: UUID, actor: Actor) -> None:
    lock_tenant(tenant_id)
    require_capability(actor, tenant_id, Capability.MANAGE_WEBHOOKS)


def _lock_endpoint(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    current = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint.pk).first()
    if current is None:
        raise NotFoundError
    return current


def _add_secret(endpoint: WebhookEndpoint, as_of: datetime) -> str:
    secret = generate_secret()
    WebhookSecret.objects.create(
        tenant_id=endpoint.tenant_id,
        endpoint=endpoint,
        sealed=seal_text(secret, purpose=ENDPOINT_SECRET),
        created_at=as_of,
    )
    return secret


def _facts(endpoint: WebhookEndpoint) -> dict[str, object]:
    """Return the facts for the audit log. Path and query of a URL may hold a secret, and stay out of it."""
    return {
        "origin": origin_of(endpoint.url),
        "event_types": list(endpoint.event_types),
        "description": endpoint.description,
        "status": endpoint.status,
    }


def _audit(
    actor: Actor,
    action: str,
    endpoint: WebhookEndpoint,
    as_of: datetime,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=endpoint.tenant_id,
        target=AuditTarget("webhook_endpoint", endpoint.pk, origin_of(endpoint.url)),
        before=before,
        after=after,
        as_of=as_of,
    )
