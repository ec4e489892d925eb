"""A tenant's standing, as every page shows it: whether an invoice is overdue, and the state of its subscription."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.models import Invoice
from billing.selectors.subscriptions.standing import TenantStanding, standing_of
from billing.services.invoicing.payments import record_failed_payment
from billing.services.invoicing.staff_actions import void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription
from tests.billing.world import MARCH, STAFF, first_invoice, make_plan, set_issuer, subscribe_tenant
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db

DUE_IN_KIRITIMATI = datetime(
    2026, 3, 15, 10, tzinfo=UTC
)  # the 16th begins there fourteen hours before it does in London


@pytest.fixture
def invoice() -> Invoice:
    """Create an invoice over 49.00, issued on 1 March, due on the 15th."""
    return first_invoice(subscribe_tenant())


def standing(invoice: Invoice, as_of: datetime) -> TenantStanding:
    return standing_of(tenant_id=invoice.tenant_id, as_of=as_of)


def test_a_tenant_without_a_plan_owes_nothing() -> None:
    assert standing_of(tenant_id=make_tenant("new").pk, as_of=MARCH) == TenantStanding(None, ())
    assert not TenantStanding(None, ()).is_past_due
    assert not TenantStanding(None, ()).is_trialing


@pytest.mark.parametrize(
    ("zone", "last_moment"),
    [("UTC", datetime(2026, 3, 16, tzinfo=UTC)), ("Pacific/Kiritimati", DUE_IN_KIRITIMATI)],
)
def test_an_invoice_is_overdue_when_its_due_day_has_ended_in_the_issuers_zone(zone: str, last_moment: datetime) -> None:
    set_issuer(time_zone=zone)
    invoice = first_invoice(subscribe_tenant(as_of=MARCH + timedelta(hours=1), time_zone="UTC"))

    assert not standing(invoice, last_moment - timedelta(seconds=1)).is_past_due
    assert standing(invoice, last_moment).owing == (invoice,)


def test_a_payment_that_failed_is_owed_before_the_due_day(invoice: Invoice) -> None:
    record_failed_payment(
        invoice_id=invoice.pk,
        provider="stripe",
        reference="pi_1",
        amount_minor=4900,
        currency="EUR",
        error="Declined",
        occurred_at=MARCH,
        as_of=MARCH,
    )

    assert standing(invoice, MARCH).owing == (invoice,)


def test_void_invoices_and_those_of_other_tenants_are_not_owed(invoice: Invoice) -> None:
    late = MARCH + timedelta(days=60)
    stranger = make_tenant("stranger")
    assert standing_of(tenant_id=stranger.pk, as_of=late).owing == ()

    void_invoice(invoice_id=invoice.pk, reason="A mistake", actor=STAFF, as_of=MARCH)

    assert not standing(invoice, late).is_past_due


def test_a_trial_and_an_ended_subscription_differ_in_standing() -> None:
    subscription = subscribe_tenant(plan=make_plan(trial_days=14))
    now = standing_of(tenant_id=subscription.tenant_id, as_of=MARCH)
    assert (now.is_trialing, now.is_past_due) == (True, False)

    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=MARCH + timedelta(days=1))

    assert standing_of(tenant_id=subscription.tenant_id, as_of=MARCH + timedelta(days=1)).subscription is None


def test_a_tenants_standing_takes_two_queries(invoice: Invoice, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(2):  # type: ignore[operator]
        found = standing(invoice, MARCH + timedelta(days=60))
    assert found.is_past_due
