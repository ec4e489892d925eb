"""Reading alerts."""

from uuid import uuid4

import pytest

from metering.alerts.selectors.alerts import agreements_of, alerts_of_tenant
from metering.alerts.services.agreements import set_agreement
from metering.alerts.services.monitoring import monitor_thresholds
from tests.metering.alerts.alert_world import NOON, customer, quota, use

pytestmark = pytest.mark.django_db


def test_a_tenant_has_its_own_alerts_the_newest_first() -> None:
    acme, rival = customer("acme", quota(100)), customer("rival", quota(100))
    for tenant in (acme, rival):
        use(tenant, 96, at=NOON)
    monitor_thresholds(as_of=NOON)
    assert [alert.threshold for alert in alerts_of_tenant(tenant_id=acme.pk)] == [95, 80]


def test_only_tenants_with_an_agreement_have_one() -> None:
    acme, rival, agreement = customer("acme"), customer("rival"), uuid4()
    set_agreement(tenant_id=acme.pk, agreement_id=agreement)
    assert agreements_of([acme.pk, rival.pk]) == {acme.pk: agreement}
