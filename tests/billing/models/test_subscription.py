"""Each invariant of subscriptions, billing profiles and exceptions holds against every writer."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from accounts.notices.models import OutboundMail
from billing.models import (
    BillingException,
    BillingProfile,
    Issuer,
    Subscription,
    SubscriptionPhase,
)
from tests.billing.models import rows
from tests.billing.models.rows import NOW, refuses

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"tax_percent": Decimal(-1)}, "billing_profile_percent_bounded"),
        ({"tax_percent": Decimal("100.0001")}, "billing_profile_percent_bounded"),
        ({"tax_treatment": "none"}, "billing_profile_tax_known"),
    ],
)
def test_a_tenants_tax_treatment_is_a_known_one(
    subscription: Subscription, change: dict[str, object], name: str
) -> None:
    BillingProfile.objects.create(tenant_id=subscription.tenant_id)
    with refuses(name), transaction.atomic():
        BillingProfile.objects.filter(tenant_id=subscription.tenant_id).update(**change)


def test_a_tenant_has_one_live_subscription(subscription: Subscription, other: Subscription) -> None:
    with refuses("subscription_one_live"), transaction.atomic():
        Subscription.objects.filter(pk=other.pk).update(tenant_id=subscription.tenant_id)
    Subscription.objects.filter(pk=subscription.pk).update(status="cancelled", ended_at=NOW)
    Subscription.objects.filter(pk=other.pk).update(tenant_id=subscription.tenant_id)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"status": "paused"}, "subscription_status_known"),
        ({"status": "cancelled"}, "subscription_ended_is_cancelled"),
        ({"ended_at": NOW}, "subscription_ended_is_cancelled"),
        ({"due_at": None}, "subscription_ended_is_cancelled"),
        ({"period_end": NOW - timedelta(days=400)}, "subscription_period_in_order"),
    ],
)
def test_a_subscriptions_fields_agree_with_its_status(
    subscription: Subscription, change: dict[str, object], name: str
) -> None:
    with refuses(name), transaction.atomic():
        Subscription.objects.filter(pk=subscription.pk).update(**change)


def test_one_change_at_most_waits_for_the_end_of_the_period(subscription: Subscription, other: Subscription) -> None:
    with refuses("subscription_one_pending_change"), transaction.atomic():
        Subscription.objects.filter(pk=subscription.pk).update(
            pending_plan_version=other.plan_version, is_cancelled_at_period_end=True
        )


def test_one_phase_begins_at_a_moment(subscription: Subscription, other: Subscription) -> None:
    with refuses("subscription_phase_once"), transaction.atomic():
        SubscriptionPhase.objects.create(
            subscription=subscription,
            plan_version=other.plan_version,
            starts_at=subscription.started_at,
            created_at=NOW,
        )


def test_a_policy_for_unused_fees_is_one_of_two(subscription: Subscription) -> None:
    with refuses("issuer_fee_refund_known"), transaction.atomic():
        Issuer.objects.update(fee_refund="half")
    with refuses("subscription_end_refund_known"), transaction.atomic():
        Subscription.objects.filter(pk=subscription.pk).update(end_refund="half")
    with refuses("subscription_phase_refund_known"), transaction.atomic():
        SubscriptionPhase.objects.create(
            subscription=subscription,
            plan_version=subscription.plan_version,
            starts_at=NOW,
            fee_refund="half",
            created_at=NOW,
        )


def test_an_exception_is_open_once(subscription: Subscription) -> None:
    facts = {"subscription": subscription, "code": "negative_usage", "detail": "?", "occurred_at": NOW}
    first = BillingException.objects.create(**facts)
    with refuses("billing_exception_open_once"), transaction.atomic():
        BillingException.objects.create(**facts)
    BillingException.objects.filter(pk=first.pk).update(resolved_at=NOW)
    BillingException.objects.create(**facts)


def test_an_approval_names_its_amount(subscription: Subscription) -> None:
    facts = {"subscription": subscription, "code": "unusual_amount", "detail": "?", "occurred_at": NOW}
    with refuses("billing_exception_approval_names_amount"), transaction.atomic():
        BillingException.objects.create(**facts, is_approved=True, resolved_at=NOW)


@pytest.mark.parametrize(("check", "limit"), [("limit", None), ("limit", -1), ("off", 1), ("never", None)])
def test_a_plausibility_check_has_its_limit(subscription: Subscription, check: str, limit: int | None) -> None:
    with refuses("billing_profile_amount_check_has_limit"), transaction.atomic():
        BillingProfile.objects.create(tenant=subscription.tenant, amount_check=check, amount_max_minor=limit)


def test_an_alert_is_raised_once_for_a_quota_and_period(subscription: Subscription) -> None:
    rows.alert(subscription)
    with refuses("threshold_alert_once"), transaction.atomic():
        rows.alert(subscription, quantity=900)
    rows.alert(subscription, limit=2000)
    with refuses("threshold_alert_known"), transaction.atomic():
        rows.alert(subscription, threshold=1001)


def test_a_mail_records_its_outcome(subscription: Subscription) -> None:
    mail = rows.mail(subscription)
    for status, name in (("lost", "outbound_mail_status_known"), ("sent", "outbound_mail_sent_has_time")):
        with refuses(name), transaction.atomic():
            OutboundMail.objects.filter(pk=mail.pk).update(status=status)
    with refuses("outbound_mail_attachment_has_name"), transaction.atomic():
        OutboundMail.objects.filter(pk=mail.pk).update(attachment_name="a.pdf")
