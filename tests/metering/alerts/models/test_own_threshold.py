"""The constraints of own thresholds."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Tenant
from metering.alerts.models import OwnThreshold
from metering.models import Meter
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


def own(tenant: Tenant, fields: dict[str, object]) -> OwnThreshold:
    usual: dict[str, object] = {"id": uuid4(), "quota_period": "month", "threshold": 50, "created_at": timezone.now()}
    meter = Meter.objects.get(code="api_requests")
    return OwnThreshold.objects.create(tenant=tenant, meter=meter, **(usual | fields))


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({}, "own_threshold_once"),
        ({"quota_period": "decade"[:5]}, "own_threshold_period_known"),
        ({"threshold": None}, "own_threshold_measured_one_way"),
        ({"threshold_quantity": 5}, "own_threshold_measured_one_way"),
        ({"threshold": 0}, "own_threshold_percent_known"),
        ({"threshold": 1001}, "own_threshold_percent_known"),
        ({"threshold": None, "threshold_quantity": 0}, "own_threshold_positive"),
    ],
)
def test_the_database_refuses_what_no_threshold_can_be(fields: dict[str, object], constraint: str) -> None:
    acme = make_tenant("acme")
    first = own(acme, {})
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        own(acme, fields)
    assert str(first) == "50 % of api_requests a month"
    assert (
        str(OwnThreshold(meter=first.meter, threshold_quantity=Decimal("5.00"), quota_period="day"))
        == "5 of api_requests a day"
    )
