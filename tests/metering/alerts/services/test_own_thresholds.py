"""A tenant's own thresholds: created, deleted, and evaluated as the standard ones, once each."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import InvalidFieldsError, NotFoundError, PermissionMissingError
from accounts.models import AuditEntry, Tenant
from accounts.notices.models import OutboundMail, OutboxEvent
from metering.alerts.domain import own_thresholds
from metering.alerts.domain.own_thresholds import OwnThresholdTerms
from metering.alerts.models import OwnThreshold, ThresholdAlert
from metering.alerts.services import own_thresholds as services
from metering.alerts.services.monitoring import monitor_thresholds
from metering.alerts.services.own_thresholds import create_own_threshold, delete_own_threshold
from metering.domain.periods import Period
from metering.errors import AlertThresholdExistsError, TooManyAlertThresholdsError
from tests.metering.alerts.alert_world import NOON, OPERATOR, TOKENS, change_plan, customer, join, quota, use

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def at(tenant: Tenant, percent: int | None = None, quantity: str | None = None) -> OwnThreshold:
    terms = OwnThresholdTerms(TOKENS, Period.MONTH, percent, None if quantity is None else Decimal(quantity))
    return create_own_threshold(tenant=tenant, terms=terms, actor=OPERATOR, as_of=NOON)


def told(tenant: Tenant) -> list[str]:
    alerts = ThresholdAlert.objects.filter(tenant=tenant).order_by("id")
    return [str(alert.threshold or f"{alert.threshold_quantity:.0f} units") for alert in alerts]


def test_own_thresholds_are_raised_once_in_one_pass_with_the_standard_ones_and_one_mail() -> None:
    acme, rival = customer("acme", quota(1000)), customer("rival", quota(1000))
    at(acme, 50)
    at(acme, 150)
    at(acme, quantity="820")
    at(acme, quantity="5000")
    for tenant in (acme, rival):
        use(tenant, 840, at=NOON)

    monitor_thresholds(as_of=NOON)
    monitor_thresholds(as_of=NOON + MINUTE)

    assert (told(acme), told(rival)) == (["50", "80", "820 units"], ["80"])
    mail = OutboundMail.objects.get(tenant=acme)
    assert mail.subject == "Acme: usage of tokens has reached 820 tokens"
    assert "Usage passed 50 %, 80 % and 820 tokens of the quota." in mail.text
    assert "Requests beyond the quota will be refused" in mail.text
    payload = OutboxEvent.objects.filter(tenant=acme).order_by("payload__id").last().payload
    assert (payload["threshold"], payload["threshold_quantity"], payload["percent"]) == (None, "820", "84")

    use(acme, 700, at=NOON)
    monitor_thresholds(as_of=NOON + MINUTE)
    assert told(acme)[3:] == ["95", "100", "150"]
    last = OutboundMail.objects.filter(tenant=acme).latest("id")
    assert last.subject == "Acme: 150 % of the quota of tokens is used"
    assert "Requests beyond the quota are refused" in last.text


def test_own_thresholds_are_armed_again_in_a_new_period_and_percentages_for_a_new_limit() -> None:
    acme = customer("acme", quota(1000))
    at(acme, 50)
    at(acme, quantity="600")
    use(acme, 700, at=NOON)
    monitor_thresholds(as_of=NOON)
    change_plan(acme, quota(1400))
    monitor_thresholds(as_of=NOON)
    assert told(acme) == ["50", "600 units", "50"]
    later = NOON + timedelta(days=31)
    use(acme, 700, at=later)
    monitor_thresholds(as_of=later)
    assert told(acme)[3:] == ["50", "600 units"]


def test_a_threshold_that_usage_is_beyond_already_is_told_by_the_next_pass_and_a_deleted_one_is_not() -> None:
    acme = customer("acme", quota(1000))
    use(acme, 700, at=NOON)
    monitor_thresholds(as_of=NOON)
    at(acme, 60)
    delete_own_threshold(threshold=at(acme, 65), actor=OPERATOR, as_of=NOON)
    monitor_thresholds(as_of=NOON)
    assert told(acme) == ["60"]
    assert list(AuditEntry.objects.filter(action__startswith="alert_threshold").values_list("action", flat=True)) == [
        "alert_threshold.deleted",
        "alert_threshold.created",
        "alert_threshold.created",
    ]


def test_a_threshold_without_a_quota_raises_nothing() -> None:
    acme = customer("acme", quota(1000, period=Period.DAY))
    at(acme, 1)
    use(acme, 700, at=NOON)
    assert monitor_thresholds(as_of=NOON).alerts == ()


def test_what_exists_is_a_named_conflict_and_there_are_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    acme = customer("acme", quota(1000))
    at(acme, 50)
    at(acme, quantity="50")
    for percent, quantity in ((50, None), (None, "50.0")):
        with pytest.raises(AlertThresholdExistsError):
            at(acme, percent, quantity)
    monkeypatch.setattr(services, "OWN_THRESHOLDS_MAX", 2)
    with pytest.raises(TooManyAlertThresholdsError):
        at(acme, 51)
    assert own_thresholds.OWN_THRESHOLDS_MAX == 100


def test_a_meter_that_does_not_exist_is_refused() -> None:
    terms = OwnThresholdTerms("nothing", Period.MONTH, 50)
    with pytest.raises(InvalidFieldsError) as refused:
        create_own_threshold(tenant=customer("acme", quota(1)), terms=terms, actor=OPERATOR, as_of=NOON)
    assert [(one.pointer, one.code) for one in refused.value.field_errors] == [("/meter", "unknown_meter")]


def test_only_who_may_manage_the_tenant_sets_and_deletes_them_and_once() -> None:
    acme = customer("acme", quota(1000))
    user = join(acme, "dora@acme.example", Role.DEVELOPER).user
    dora = Actor.member(user_id=user.pk, label=user.email, role=Role.DEVELOPER)
    threshold = at(acme, 50)
    gone = OwnThreshold(pk=threshold.pk, tenant=acme)
    with pytest.raises(PermissionMissingError):
        create_own_threshold(tenant=acme, terms=OwnThresholdTerms(TOKENS, Period.MONTH, 51), actor=dora, as_of=NOON)
    with pytest.raises(PermissionMissingError):
        delete_own_threshold(threshold=threshold, actor=dora, as_of=NOON)
    delete_own_threshold(threshold=threshold, actor=OPERATOR, as_of=NOON)
    with pytest.raises(NotFoundError):
        delete_own_threshold(threshold=gone, actor=OPERATOR, as_of=NOON)
