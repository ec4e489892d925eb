"""Which quotas are worth a forecast."""

from datetime import date
from decimal import Decimal

import pytest

from metering.alerts.selectors.crossing_candidates import crossing_candidates
from metering.domain.periods import Period
from tests.metering.alerts.alert_world import customer, quota
from tests.metering.alerts.crossing_world import MID_MONTH, steady_days

pytestmark = pytest.mark.django_db


def test_only_quotas_that_twice_the_usual_day_would_use_up_are_candidates() -> None:
    # 1,550 are used and 16 days are left: twice the usual day makes 3,200 more.
    near, far = customer("near", quota(4750), quota(9, period=Period.DAY)), customer("far", quota(4751))
    for tenant in (near, far, customer("used-up", quota(1550)), customer("without")):
        steady_days(tenant, 100)

    [found] = crossing_candidates(as_of=MID_MONTH)

    assert (found.tenant_id, found.period, found.first_day, found.end_day) == (
        near.pk,
        "month",
        date(2026, 3, 1),
        date(2026, 4, 1),
    )
    assert (found.used, found.limit) == (Decimal(1550), Decimal(4750))
    assert crossing_candidates(as_of=MID_MONTH, tenant_ids=[far.pk]) == []
