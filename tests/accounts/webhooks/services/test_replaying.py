"""Replays of one delivery, of a span, of all that failed; and tests of an endpoint."""

from datetime import datetime, timedelta

import pytest

from accounts.errors import ConflictError, InvalidFieldsError
from accounts.models import AuditEntry, Tenant
from accounts.webhooks.domain.schedule import AttemptOutcome
from accounts.webhooks.errors import TooManyReplaysError
from accounts.webhooks.models import WebhookDelivery, WebhookEndpoint
from accounts.webhooks.services import replaying as module
from accounts.webhooks.services.endpoints import change_endpoint
from accounts.webhooks.services.replaying import replay_delivery, replay_span, send_test
from tests.accounts.webhooks.world import DOWN, SECOND, SYSTEM, claim, make_endpoint, record, send, statuses, tell

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_a_replay_sends_the_same_message_with_ten_attempts_ahead(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now)
    [first] = send(now)
    delivery = replay_delivery(delivery=WebhookDelivery.objects.get(), actor=SYSTEM, as_of=now + HOUR)
    assert (delivery.status, delivery.attempts_in_round, delivery.replays) == ("pending", 0, 1)
    [again] = send(now + HOUR, DOWN)
    assert [one.event_id for one in again.deliveries] == [one.event_id for one in first.deliveries]
    delivery.refresh_from_db()
    assert (delivery.attempts_in_round, delivery.attempts.count()) == (1, 2)
    assert AuditEntry.objects.get(action="webhook_delivery.replayed").after == {"delivery": str(delivery.pk)}


def test_all_that_failed_is_sent_again_and_nothing_else(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    other = make_endpoint(acme, now).endpoint
    tell(acme, now, *["invoice.paid"] * 3)
    send(now, AttemptOutcome(200))
    WebhookDelivery.objects.filter(sequence__lte=2).update(status="failed")
    number = replay_span(endpoint=endpoint, is_only_failed=True, actor=SYSTEM, as_of=now + HOUR)
    assert number == 2
    assert statuses(endpoint) == ["pending", "pending", "succeeded"]
    assert statuses(other) == ["failed", "failed", "succeeded"]
    assert len(send(now + HOUR)) == 1
    assert replay_span(endpoint=endpoint, is_only_failed=True, actor=SYSTEM, as_of=now + HOUR) == 0


def test_a_span_has_its_start_and_not_its_end_and_what_was_never_sent(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now, "invoice.paid").endpoint
    for hours in range(3):
        tell(acme, now + hours * HOUR)
        send(now + hours * HOUR)
    record(claim(now + 3 * HOUR), now)
    WebhookEndpoint.objects.update(status="disabled", disabled_because="gone", disabled_at=now)
    tell(acme, now + 3 * HOUR, "invoice.paid", "api_key.created")
    claim(now + 3 * HOUR)
    later = now + 5 * HOUR
    with pytest.raises(ConflictError):
        replay_span(endpoint=endpoint, is_only_failed=False, actor=SYSTEM, as_of=later)
    change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=later, status="active")
    span = {"start": now + HOUR, "end": now + 2 * HOUR}
    assert replay_span(endpoint=endpoint, is_only_failed=False, actor=SYSTEM, as_of=later, **span) == 1
    assert statuses(endpoint) == ["succeeded", "pending", "succeeded"]
    whole = replay_span(endpoint=endpoint, start=now, is_only_failed=False, actor=SYSTEM, as_of=later)
    assert whole == 4
    assert statuses(endpoint) == ["pending"] * 4
    assert replay_span(endpoint=endpoint, start=now, is_only_failed=False, actor=SYSTEM, as_of=later) == 4
    [claimed] = send(later)
    assert [one.sequence for one in claimed.deliveries] == [1, 2, 3, 4]


def test_a_span_may_have_events_that_still_wait_to_be_queued(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now, "invoice.paid").endpoint
    tell(acme, now)
    assert replay_span(endpoint=endpoint, is_only_failed=False, actor=SYSTEM, as_of=now) == 1
    assert len(send(now)) == 1
    assert statuses(endpoint) == ["succeeded"]


def test_too_many_replays_at_once_change_nothing(acme: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    tell(acme, now, *["invoice.paid"] * 3)
    send(now)
    monkeypatch.setattr(module, "REPLAYS_MAX", 2)
    with pytest.raises(TooManyReplaysError):
        replay_span(endpoint=endpoint, is_only_failed=False, actor=SYSTEM, as_of=now + HOUR)
    assert set(statuses(endpoint)) == {"succeeded"}
    with pytest.raises(InvalidFieldsError):
        replay_span(endpoint=endpoint, start=now, end=now, is_only_failed=False, actor=SYSTEM, as_of=now)


def test_a_test_goes_to_its_endpoint_alone_whatever_types_it_chose(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now, "invoice.paid").endpoint
    make_endpoint(acme, now)
    delivery = send_test(endpoint=endpoint, actor=SYSTEM, as_of=now + SECOND)
    claimed = {one.id: [due.event_type for due in one.deliveries] for one in claim(now + SECOND)}
    assert claimed == {endpoint.pk: ["webhook.test"]}
    assert (delivery.event.type, delivery.sequence) == ("webhook.test", 1)
    assert delivery.event.payload == {"endpoint": str(endpoint.pk)}


def test_nothing_is_sent_to_an_endpoint_that_is_not_active(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, status="paused")
    with pytest.raises(ConflictError) as caught:
        send_test(endpoint=endpoint, actor=SYSTEM, as_of=now)
    assert caught.value.code == "endpoint_not_active"
