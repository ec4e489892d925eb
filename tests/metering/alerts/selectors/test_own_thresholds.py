"""Reads of a tenant's own thresholds."""

from decimal import Decimal

import pytest

from accounts.errors import NotFoundError
from metering.alerts.selectors.own_thresholds import limits_with_alerts, own_threshold_of, own_thresholds_of
from metering.domain.periods import Period
from metering.models import Meter
from tests.metering.alerts.alert_world import TOKENS, customer, quota
from tests.metering.alerts.services.test_own_thresholds import at

pytestmark = pytest.mark.django_db


def test_a_threshold_of_another_tenant_is_not_found() -> None:
    acme, rival = customer("acme", quota(10), quota(0, period=Period.DAY)), customer("rival")
    threshold = at(acme, 50)
    assert own_threshold_of(tenant_id=acme.pk, threshold_id=threshold.pk) == threshold
    assert list(own_thresholds_of(tenant_id=rival.pk)) == []
    with pytest.raises(NotFoundError):
        own_threshold_of(tenant_id=rival.pk, threshold_id=threshold.pk)
    tokens = Meter.objects.get(code=TOKENS)
    assert limits_with_alerts(tenant_id=acme.pk) == {(tokens.pk, "month"): Decimal(10)}
    assert limits_with_alerts(tenant_id=rival.pk) == {}
