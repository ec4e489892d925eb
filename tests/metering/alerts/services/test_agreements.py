"""The app that sells subscriptions notes which one a tenant has, and when it has none any more."""

from datetime import timedelta
from uuid import uuid4

import pytest

from billing.services.subscriptions.changes import When, cancel_subscription
from metering.alerts.models import TenantAgreement
from metering.alerts.services.agreements import set_agreement
from tests.billing.world import close_month, first_invoice, make_plan, subscribe_tenant
from tests.metering.alerts.alert_world import NOON, OPERATOR
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


def test_a_tenant_has_the_agreement_that_was_noted_last() -> None:
    acme, first, second = make_tenant("acme"), uuid4(), uuid4()
    for agreement in (first, second):
        set_agreement(tenant_id=acme.pk, agreement_id=agreement)
    assert TenantAgreement.objects.get(tenant=acme).agreement_id == second
    set_agreement(tenant_id=acme.pk, agreement_id=None)
    assert not TenantAgreement.objects.exists()


def test_billing_notes_a_subscription_from_its_beginning_to_its_end_at_the_close_of_a_month() -> None:
    subscription = subscribe_tenant("acme", plan=make_plan(), as_of=NOON)
    first_invoice(subscription)
    assert TenantAgreement.objects.get(tenant=subscription.tenant).agreement_id == subscription.pk
    cancel_subscription(
        subscription=subscription, when=When.PERIOD_END, actor=OPERATOR, as_of=NOON + timedelta(minutes=1)
    )
    assert TenantAgreement.objects.exists()
    close_month(subscription)
    assert not TenantAgreement.objects.exists()
