"""Members who manage keys call anomalies fine, and take that back; both are audited."""

import pytest

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import ConflictError, PermissionMissingError
from metering.alerts.models import AcceptedAnomaly, ThresholdAlert
from metering.alerts.services.acceptance import accept_anomaly, take_acceptance_back
from metering.alerts.services.anomalies import find_anomalies
from metering.alerts.services.monitoring import monitor_thresholds
from metering.models import Meter
from tests.metering.alerts.alert_world import OPERATOR, TOKENS, customer, join, quota, use
from tests.metering.alerts.anomaly_world import DAY, HOUR, MONDAY, steady_hours, store_hours

pytestmark = pytest.mark.django_db
NOON = MONDAY + 12 * HOUR


def quantities() -> list[int]:
    return [int(alert.quantity) for alert in ThresholdAlert.objects.filter(kind="anomaly").order_by("pk")]


def test_what_a_member_called_fine_is_expected_for_four_weeks_until_that_is_taken_back() -> None:
    acme = customer("acme", quota(10**9))
    changed = {NOON: 700, NOON + DAY: 800, NOON + 2 * DAY: 900}
    store_hours(acme, Meter.objects.get(code=TOKENS), steady_hours(36, until=NOON + 3 * DAY, changed=changed))
    find_anomalies(as_of=NOON + HOUR / 2)
    alert = ThresholdAlert.objects.get()

    assert accept_anomaly(alert=alert, actor=OPERATOR, as_of=NOON + HOUR)
    assert not accept_anomaly(alert=alert, actor=OPERATOR, as_of=NOON + HOUR)
    find_anomalies(as_of=NOON + DAY + HOUR / 2)
    assert quantities() == [700]
    assert take_acceptance_back(alert=alert, actor=OPERATOR, as_of=NOON + DAY)
    assert not take_acceptance_back(alert=alert, actor=OPERATOR, as_of=NOON + DAY)
    find_anomalies(as_of=NOON + DAY + HOUR / 2)
    assert quantities() == [700, 800]
    actions = acme.audit_entries.order_by("pk").values_list("action", flat=True)
    assert list(actions)[-2:] == ["anomaly.accepted", "anomaly.not_accepted"]


@pytest.mark.parametrize(("role", "is_allowed"), [(Role.VIEWER, False), (Role.DEVELOPER, True)])
def test_only_who_may_manage_keys_calls_an_anomaly_fine(role: Role, is_allowed: bool) -> None:
    acme = customer("acme", quota(10**9))
    store_hours(acme, Meter.objects.get(code=TOKENS), steady_hours(36, until=NOON + HOUR, changed={NOON: 700}))
    find_anomalies(as_of=NOON + HOUR / 2)
    user = join(acme, "someone@acme.example", role).user
    actor = Actor.member(user_id=user.pk, label=user.email)
    alert = ThresholdAlert.objects.get()
    if is_allowed:
        accept_anomaly(alert=alert, actor=actor, as_of=NOON)
    else:
        for act in (accept_anomaly, take_acceptance_back):
            with pytest.raises(PermissionMissingError):
                act(alert=alert, actor=actor, as_of=NOON)
    assert AcceptedAnomaly.objects.exists() is is_allowed


def test_an_alert_of_another_kind_cannot_be_called_fine() -> None:
    acme = customer("acme", quota(100))
    use(acme, 90, at=NOON)
    monitor_thresholds(as_of=NOON)
    with pytest.raises(ConflictError, match="Only an anomaly"):
        accept_anomaly(alert=ThresholdAlert.objects.get(), actor=OPERATOR, as_of=NOON)
