"""Deliveries that are sent again: one, all of a span of time, or all that failed; and tests of an endpoint.

A replay starts a new round of ten attempts of the same delivery, so the receiver sees the same id. A span also has the
events that the endpoint was never sent, because it was disabled or did not want their type then.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.public_addresses import origin_of
from accounts.domain.roles import Capability
from accounts.errors import FieldError, InvalidFieldsError, NotFoundError
from accounts.notices.services.outbox import add_unqueued
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability
from accounts.sql import fetch_all
from accounts.webhooks.domain.event_types import TEST_EVENT
from accounts.webhooks.domain.happenings import WebhookTest
from accounts.webhooks.domain.statuses import DeliveryStatus, EndpointStatus
from accounts.webhooks.errors import EndpointNotActiveError, TooManyReplaysError
from accounts.webhooks.models import WebhookDelivery, WebhookEndpoint
from accounts.webhooks.services.queueing import IS_DUE

REPLAYED: Final = "webhook_delivery.replayed"
REPLAYS_MAX: Final = 10_000
MOMENT: Final = timedelta(microseconds=1)  # so that a span until now has what occurs now
FIRST_EVENT_AT: Final = datetime(2000, 1, 1, tzinfo=UTC)

SET_DUE: Final = f"UPDATE webhooks_webhookendpoint AS p SET due_at = {IS_DUE} WHERE id = %(endpoint_id)s"  # noqa: S608
_IN_SPAN: Final = """
e.tenant_id = %(tenant_id)s AND e.occurred_at >= %(start)s AND e.occurred_at < %(end)s
"""
REPLAY: Final = f"""
WITH again AS (
    SELECT d.id FROM webhooks_webhookdelivery AS d JOIN notices_outboxevent AS e ON e.id = d.event_id
    WHERE d.endpoint_id = %(endpoint_id)s AND {_IN_SPAN} AND (d.status = 'failed' OR NOT %(is_only_failed)s)
    LIMIT %(limit)s
), replayed AS (
    UPDATE webhooks_webhookdelivery AS d
    SET status = 'pending', attempts_in_round = 0, next_attempt_at = %(as_of)s, ended_at = NULL, replays = d.replays + 1
    FROM again WHERE d.id = again.id
    RETURNING 1
)
SELECT count(*) FROM replayed
"""  # noqa: S608 - of constants
ADD_MISSING: Final = f"""
WITH missing AS (
    SELECT e.id AS event_id, e.type, row_number() OVER (ORDER BY e.occurred_at, e.id) AS place
    FROM notices_outboxevent AS e JOIN webhooks_webhookendpoint AS p ON p.id = %(endpoint_id)s
    WHERE {_IN_SPAN} AND e.type <> %(test)s AND (cardinality(p.event_types) = 0 OR e.type = ANY(p.event_types))
        AND NOT EXISTS (
            SELECT FROM webhooks_webhookdelivery AS d WHERE d.endpoint_id = p.id AND d.event_id = e.id
        )
    LIMIT %(limit)s
), numbered AS (
    UPDATE webhooks_webhookendpoint AS p SET last_sequence = last_sequence + (SELECT count(*) FROM missing)
    WHERE p.id = %(endpoint_id)s
    RETURNING p.last_sequence - (SELECT count(*) FROM missing) AS before
), added AS (
    INSERT INTO webhooks_webhookdelivery
        (id, tenant_id, endpoint_id, event_id, event_type, sequence, status, attempts_in_round, next_attempt_at,
         replays, created_at)
    SELECT gen_random_uuid(), %(tenant_id)s, %(endpoint_id)s, m.event_id, m.type, n.before + m.place, 'pending', 0,
        %(as_of)s, 0, %(as_of)s
    FROM missing AS m, numbered AS n
    RETURNING 1
)
SELECT count(*) FROM added
"""  # noqa: S608 - of constants


@transaction.atomic
def replay_delivery(*, delivery: WebhookDelivery, actor: Actor, as_of: datetime) -> WebhookDelivery:
    """Send a delivery again, whatever its status, with a new round of attempts.

    Raises `PermissionMissingError`, and `EndpointNotActiveError` if its endpoint is disabled.
    """
    endpoint = _lock(delivery.endpoint, actor)
    changes = {"status": DeliveryStatus.PENDING, "attempts_in_round": 0, "next_attempt_at": as_of, "ended_at": None}
    again = WebhookDelivery.objects.filter(pk=delivery.pk, endpoint=endpoint)
    if not again.update(**changes, replays=delivery.replays + 1):
        raise NotFoundError
    fetch_all(SET_DUE, {"endpoint_id": endpoint.pk, "as_of": as_of})
    _audit(actor, REPLAYED, endpoint, as_of, delivery=delivery.pk)
    return again.get()


@transaction.atomic
def replay_span(
    *,
    endpoint: WebhookEndpoint,
    start: datetime | None = None,
    end: datetime | None = None,
    is_only_failed: bool,
    actor: Actor,
    as_of: datetime,
) -> int:
    """Send again what occurred in the span `[start, end)`, by default until now: all, or only what failed.

    Return how many deliveries there are. Raises `InvalidFieldsError`, `PermissionMissingError`,
    `EndpointNotActiveError`, and `TooManyReplaysError` if there are too many; then none is sent.
    """
    start, end = start or FIRST_EVENT_AT, end or as_of + MOMENT
    if start >= end:
        detail = "The end must be after the start."
        raise InvalidFieldsError(detail, field_errors=(FieldError("/end", "invalid_span", detail),))
    current = _lock(endpoint, actor)
    parameters = {
        "endpoint_id": current.pk,
        "tenant_id": current.tenant_id,
        "start": start,
        "end": end,
        "is_only_failed": is_only_failed,
        "test": TEST_EVENT,
        "as_of": as_of,
        "limit": REPLAYS_MAX + 1,
    }
    [(number,)] = fetch_all(REPLAY, parameters)
    if not is_only_failed:
        [(missing,)] = fetch_all(ADD_MISSING, parameters)
        number += missing
    if number > REPLAYS_MAX:
        raise TooManyReplaysError(f"One request replays at most {REPLAYS_MAX} deliveries: choose a shorter span.")
    fetch_all(SET_DUE, {"endpoint_id": current.pk, "as_of": as_of})
    _audit(actor, REPLAYED, current, as_of, start=start, end=end, only_failed=is_only_failed, deliveries=number)
    return int(number)


@transaction.atomic
def send_test(*, endpoint: WebhookEndpoint, actor: Actor, as_of: datetime) -> WebhookDelivery:
    """Send a `webhook.test` to this endpoint alone, whatever types it chose.

    Raises `PermissionMissingError`, and `EndpointNotActiveError` unless it is active.
    """
    current = _lock(endpoint, actor, EndpointStatus.ACTIVE)
    happening = WebhookTest(uuid4(), current.tenant_id, current.pk)
    event_id = add_unqueued(happening, as_of=as_of)
    current.last_sequence += 1
    current.save(update_fields=["last_sequence"])
    delivery = WebhookDelivery.objects.create(
        id=uuid7(as_of),
        tenant_id=current.tenant_id,
        endpoint=current,
        event_id=event_id,
        event_type=TEST_EVENT,
        sequence=current.last_sequence,
        next_attempt_at=as_of,
        created_at=as_of,
    )
    fetch_all(SET_DUE, {"endpoint_id": current.pk, "as_of": as_of})
    _audit(actor, "webhook_endpoint.tested", current, as_of, delivery=delivery.pk)
    return delivery


def _lock(endpoint: WebhookEndpoint, actor: Actor, *statuses: EndpointStatus) -> WebhookEndpoint:
    lock_tenant(endpoint.tenant_id)
    require_capability(actor, endpoint.tenant_id, Capability.MANAGE_WEBHOOKS)
    current = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint.pk).first()
    if current is None:
        raise NotFoundError
    if current.status not in (statuses or (EndpointStatus.ACTIVE, EndpointStatus.PAUSED)):
        raise EndpointNotActiveError(f"The endpoint is {current.status}: make it active first.")
    return current


def _audit(actor: Actor, action: str, endpoint: WebhookEndpoint, as_of: datetime, **after: object) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=endpoint.tenant_id,
        target=AuditTarget("webhook_endpoint", endpoint.pk, origin_of(endpoint.url)),
        after=after,
        as_of=as_of,
    )
