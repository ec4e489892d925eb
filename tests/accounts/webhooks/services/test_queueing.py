"""New events become deliveries of the endpoints that want them, once."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Tenant
from accounts.notices.models import OutboxEvent, UnsentEvent
from accounts.notices.services.outbox import add_to_outbox
from accounts.webhooks.models import WebhookDelivery, WebhookEndpoint
from accounts.webhooks.services.queueing import queue_deliveries
from tests.accounts.webhooks.world import SECOND, Happening, make_endpoint, tell

pytestmark = pytest.mark.django_db


def test_an_event_goes_to_each_endpoint_of_its_tenant_that_wants_its_type(
    acme: Tenant, globex: Tenant, now: datetime
) -> None:
    every, some = make_endpoint(acme, now).endpoint, make_endpoint(acme, now, "invoice.paid").endpoint
    other = make_endpoint(globex, now).endpoint
    tell(acme, now + SECOND, "invoice.paid", "api_key.created", "invoice.paid")
    assert queue_deliveries(as_of=now + SECOND) == 3
    found = WebhookDelivery.objects.values_list("endpoint", "sequence", "event_type")
    sequences = {(endpoint, sequence) for endpoint, sequence, _ in found}
    assert sequences == {(every.pk, 1), (every.pk, 2), (every.pk, 3), (some.pk, 1), (some.pk, 2)}
    assert {event_type for endpoint, _, event_type in found if endpoint == some.pk} == {"invoice.paid"}
    assert len(found) == 5
    assert not UnsentEvent.objects.exists()
    assert WebhookEndpoint.objects.get(pk=every.pk).due_at == now + SECOND
    assert WebhookEndpoint.objects.get(pk=other.pk).due_at is None


def test_it_is_queued_once_whatever_runs_again(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now)
    assert [queue_deliveries(as_of=now) for _ in range(2)] == [1, 0]
    assert WebhookDelivery.objects.count() == 1


def test_an_event_told_twice_is_one(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    add_to_outbox([Happening(acme.pk)] * 2, as_of=now)  # type: ignore[list-item] # its type is of the instance
    queue_deliveries(as_of=now)
    assert OutboxEvent.objects.filter(type="invoice.paid").count() == WebhookDelivery.objects.count() == 1


def test_what_occurred_before_an_endpoint_existed_is_not_sent_to_it(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now - SECOND)
    queue_deliveries(as_of=now)
    assert not WebhookDelivery.objects.exists()


def test_a_paused_endpoint_keeps_events_and_a_disabled_one_gets_none(acme: Tenant, now: datetime) -> None:
    paused, disabled = make_endpoint(acme, now).endpoint, make_endpoint(acme, now).endpoint
    WebhookEndpoint.objects.filter(pk=paused.pk).update(status="paused")
    WebhookEndpoint.objects.filter(pk=disabled.pk).update(status="disabled", disabled_because="gone", disabled_at=now)
    tell(acme, now)
    queue_deliveries(as_of=now)
    assert list(WebhookDelivery.objects.values_list("endpoint", flat=True)) == [paused.pk]
    assert WebhookEndpoint.objects.get(pk=paused.pk).due_at is None


def test_a_new_event_ends_neither_a_rest_nor_a_lease(acme: Tenant, now: datetime) -> None:
    resting, leased = make_endpoint(acme, now).endpoint, make_endpoint(acme, now).endpoint
    later = now + timedelta(minutes=1)
    WebhookEndpoint.objects.filter(pk=resting.pk).update(rests_until=later)
    WebhookEndpoint.objects.filter(pk=leased.pk).update(lease=leased.pk, leased_until=later, due_at=later)
    tell(acme, now)
    queue_deliveries(as_of=now)
    assert set(WebhookEndpoint.objects.values_list("due_at", flat=True)) == {later}


def test_events_are_taken_in_bounded_batches(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    for _ in range(5):
        tell(acme, now)
    assert [queue_deliveries(as_of=now, limit=2) for _ in range(4)] == [2, 2, 1, 0]
