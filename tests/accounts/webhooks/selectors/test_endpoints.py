"""What pages show beside endpoints."""

from datetime import datetime, timedelta

import pytest

from accounts.errors import NotFoundError
from accounts.models import Tenant
from accounts.webhooks.selectors.endpoints import counts_by_status, endpoint_of_tenant, previous_secret_ends_at
from accounts.webhooks.services.endpoints import rotate_secret
from tests.accounts.webhooks.world import DOWN, SYSTEM, make_endpoint, send, tell

pytestmark = pytest.mark.django_db


def test_deliveries_are_counted_by_endpoint_and_status(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    tell(acme, now, "invoice.paid", "invoice.paid")
    send(now)
    tell(acme, now)
    send(now, DOWN)
    idle = make_endpoint(acme, now).endpoint
    assert counts_by_status(endpoint_ids=[endpoint.pk, idle.pk]) == {
        endpoint.pk: {"pending": 1, "succeeded": 2, "failed": 0},
        idle.pk: {"pending": 0, "succeeded": 0, "failed": 0},
    }


def test_another_tenants_endpoint_is_not_found(acme: Tenant, globex: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    with pytest.raises(NotFoundError):
        endpoint_of_tenant(tenant_id=globex.pk, endpoint_id=endpoint.pk)


def test_the_earlier_secret_is_shown_until_it_ends(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    assert previous_secret_ends_at(endpoint_id=endpoint.pk, as_of=now) is None
    rotate_secret(endpoint=endpoint, actor=SYSTEM, as_of=now)
    ends_at = now + timedelta(days=1)
    assert previous_secret_ends_at(endpoint_id=endpoint.pk, as_of=now) == ends_at
    assert previous_secret_ends_at(endpoint_id=endpoint.pk, as_of=ends_at) is None
