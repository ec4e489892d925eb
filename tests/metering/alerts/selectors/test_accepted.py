"""What was called fine, by meter and key and for four weeks."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from accounts.models import Tenant
from metering.alerts.domain.anomalies import ACCEPTED_FOR, Accepted, Pattern
from metering.alerts.models import AcceptedAnomaly, ThresholdAlert
from metering.alerts.selectors.accepted import accepted_levels, merged_levels
from metering.alerts.selectors.anomaly_candidates import MeterOf
from metering.models import Meter
from tests.metering.alerts.alert_world import NOON, TOKENS, customer, quota

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def accept(tenant: Tenant, pattern: Pattern, quantity: int, *, day: int, key: UUID | None = None) -> None:
    alert = ThresholdAlert.objects.create(
        tenant=tenant,
        kind="anomaly",
        meter=Meter.objects.get(code=TOKENS),
        period_start_on=(NOON - day * DAY).date(),
        window_start_at=NOON,
        window_end_at=NOON + DAY,
        expected=1,
        pattern=pattern,
        quantity=quantity,
        api_key_id=key,
        occurred_at=NOON,
    )
    AcceptedAnomaly.objects.create(alert=alert, tenant=tenant, accepted_at=NOON - day * DAY)


def test_levels_are_merged_by_pattern_and_end_after_four_weeks() -> None:
    acme, rival, key = customer("acme", quota(1)), customer("rival", quota(1)), uuid4()
    accept(acme, Pattern.SPIKE, 700, day=1)
    accept(acme, Pattern.SPIKE, 500, day=2)
    accept(acme, Pattern.DROP, 20, day=3)
    accept(acme, Pattern.SILENCE, 0, day=4)
    accept(acme, Pattern.SPIKE, 90, day=1, key=key)
    accept(acme, Pattern.SPIKE, 9000, day=28)
    accept(rival, Pattern.SPIKE, 9000, day=1)
    meter = MeterOf(acme.pk, Meter.objects.get(code=TOKENS).pk)
    assert accepted_levels(meters=[meter], as_of=NOON) == {
        (meter, None): {
            Pattern.SPIKE: Accepted(high=Decimal(700)),
            Pattern.DROP: Accepted(low=Decimal(20)),
            Pattern.SILENCE: Accepted(is_silence=True),
        },
        (meter, key): {Pattern.SPIKE: Accepted(high=Decimal(90))},
    }
    assert accepted_levels(meters=[meter], as_of=NOON + ACCEPTED_FOR) == {}


def test_merged_levels_allow_what_each_allows() -> None:
    levels = [Accepted(high=Decimal(7)), Accepted(low=Decimal(3)), Accepted(low=Decimal(2)), Accepted(is_silence=True)]
    assert merged_levels(levels) == Accepted(high=Decimal(7), low=Decimal(2), is_silence=True)
