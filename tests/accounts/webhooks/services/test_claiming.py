"""Claims: one sender an endpoint, tenants in turn, suspects apart."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Tenant
from accounts.webhooks.models import WebhookEndpoint
from accounts.webhooks.services.claiming import DELIVERIES_AT_ONCE, LEASE, claim_endpoints
from accounts.webhooks.services.endpoints import rotate_secret
from accounts.webhooks.services.queueing import queue_deliveries
from tests.accounts.webhooks.world import DOWN, SECOND, SYSTEM, claim, make_endpoint, record, send, tell

pytestmark = pytest.mark.django_db


def test_an_endpoint_is_claimed_by_one_sender_until_its_lease_ends(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now)
    [first] = claim(now)
    assert claim(now + LEASE - SECOND) == []
    [second] = claim(now + LEASE)
    assert first.deliveries == second.deliveries
    assert first.lease != second.lease
    [delivery] = first.deliveries
    assert (delivery.event_type, delivery.sequence) == ("invoice.paid", 1)
    assert '"Größe"' in delivery.data


def test_a_backlog_is_sent_a_few_deliveries_at_a_time(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now, *["invoice.paid"] * 25)
    sizes = [len(send(now + number * SECOND)[0].deliveries) for number in range(3)]
    assert sizes == [DELIVERIES_AT_ONCE, DELIVERIES_AT_ONCE, 5]
    assert claim(now + timedelta(hours=1)) == []


def test_several_endpoints_of_one_tenant_come_after_the_first_of_each(
    acme: Tenant, globex: Tenant, now: datetime
) -> None:
    for _ in range(3):
        make_endpoint(acme, now)
    lonely = make_endpoint(globex, now).endpoint
    tell(acme, now)
    queue_deliveries(as_of=now)
    tell(globex, now + SECOND)
    queue_deliveries(as_of=now + SECOND)
    claimed = claim_endpoints(limit=2, is_suspect=False, as_of=now + SECOND)
    assert lonely.pk in {endpoint.id for endpoint in claimed}


def test_a_failing_endpoint_is_served_in_a_lane_of_its_own_and_few_at_a_time(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now, *["invoice.paid"] * 5)
    send(now, DOWN)
    later = now + 10 * SECOND
    assert claim_endpoints(limit=5, is_suspect=False, as_of=later) == []
    [suspect] = claim_endpoints(limit=5, is_suspect=True, as_of=later)
    assert len(suspect.deliveries) == 3
    record([suspect], later, DOWN)
    [again] = claim_endpoints(limit=5, is_suspect=True, as_of=later)
    record([again], later, DOWN)  # ten failures in a row
    assert claim_endpoints(limit=5, is_suspect=True, as_of=later + 4 * SECOND) == []
    [probe] = claim_endpoints(limit=5, is_suspect=True, as_of=later + timedelta(minutes=6))
    assert len(probe.deliveries) == 1


def test_only_secrets_that_are_valid_are_handed_out_the_newest_first(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    rotate_secret(endpoint=endpoint, actor=SYSTEM, as_of=now, grace=timedelta(hours=1))
    tell(acme, now)
    [before] = claim(now)
    record([before], now)
    tell(acme, now + timedelta(hours=2))
    [after] = claim(now + timedelta(hours=2))
    assert len(before.sealed_secrets) == 2
    assert before.sealed_secrets[:1] == after.sealed_secrets


def test_an_endpoint_without_anything_due_is_released_by_its_record(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(due_at=now)
    claimed = claim(now)
    assert [one.deliveries for one in claimed] == [()]
    record(claimed, now)
    endpoint.refresh_from_db()
    assert (endpoint.lease, endpoint.due_at) == (None, None)
