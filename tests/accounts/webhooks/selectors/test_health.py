"""The state of webhooks of all tenants."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Tenant
from accounts.webhooks.models import WebhookEndpoint
from accounts.webhooks.selectors.health import webhooks_state
from accounts.webhooks.services.queueing import queue_deliveries
from tests.accounts.webhooks.world import DOWN, make_endpoint, send, tell

pytestmark = pytest.mark.django_db


def test_nothing_to_tell_when_there_is_nothing(now: datetime) -> None:
    state = webhooks_state(as_of=now)
    assert (state.active, state.failing, state.events_waiting, state.queue_age) == (0, 0, 0, timedelta(0))


def test_endpoints_deliveries_and_the_age_of_what_waits(acme: Tenant, now: datetime) -> None:
    for _ in range(3):
        make_endpoint(acme, now)
    paused = WebhookEndpoint.objects.earliest("pk")
    WebhookEndpoint.objects.filter(pk=paused.pk).update(status="paused")
    tell(acme, now)
    assert webhooks_state(as_of=now + timedelta(seconds=9)).queue_age == timedelta(seconds=9)
    assert webhooks_state(as_of=now).events_waiting == 1
    queue_deliveries(as_of=now)
    later = now + timedelta(seconds=30)
    assert webhooks_state(as_of=later).queue_age == timedelta(seconds=30)
    send(later, DOWN)
    state = webhooks_state(as_of=later)
    assert (state.active, state.paused, state.disabled, state.failing) == (2, 1, 0, 2)
    assert (state.failing_since, state.queue_age) == (later, timedelta(0))
    assert (state.pending, state.succeeded, state.failed) == (3, 0, 0)
