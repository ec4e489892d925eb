"""Lists of deliveries."""

from datetime import datetime

import pytest

from accounts.domain.pages import PageRequest
from accounts.errors import NotFoundError
from accounts.models import Tenant
from accounts.webhooks.selectors.deliveries import attempts_of, deliveries_matching, deliveries_page, delivery_of_tenant
from tests.accounts.webhooks.world import DOWN, make_endpoint, send, tell

pytestmark = pytest.mark.django_db


def test_deliveries_are_found_by_endpoint_status_and_type(acme: Tenant, globex: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    make_endpoint(globex, now)
    tell(acme, now, "invoice.paid", "invoice.voided")
    tell(globex, now)
    send(now)
    tell(acme, now)
    send(now, DOWN)
    of_acme = {"tenant_id": acme.pk}
    assert deliveries_matching(**of_acme).count() == 3
    assert deliveries_matching(**of_acme, status="succeeded").count() == 2
    assert deliveries_matching(**of_acme, event_type="invoice.voided").count() == 1
    assert deliveries_matching(**of_acme, endpoint_id=endpoint.pk, status="failed").count() == 0
    assert deliveries_matching(tenant_id=globex.pk, endpoint_id=endpoint.pk).count() == 0
    with pytest.raises(NotFoundError):
        delivery_of_tenant(tenant_id=globex.pk, delivery_id=deliveries_matching(**of_acme)[0].pk)


def test_a_page_reads_all_attempts_at_once(acme: Tenant, now: datetime, django_assert_num_queries: object) -> None:
    make_endpoint(acme, now)
    tell(acme, now, *["invoice.paid"] * 10)
    send(now, DOWN)
    with django_assert_num_queries(2):  # type: ignore[operator] # a fixture
        page = deliveries_page(tenant_id=acme.pk, request=PageRequest(50))
        assert [len(attempts_of(delivery)) for delivery in page.rows] == [1] * 10
