"""Each invariant of collection's tables holds against every writer, also one that goes past the services."""

from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from billing.collection.models import (
    InboxEvent,
    PaymentFinding,
    ProviderAgreement,
    ProviderChoice,
    ProviderRefund,
    PushDelay,
    UsagePush,
)
from billing.models import Subscription
from tests.billing.collection.models import rows
from tests.billing.models import rows as billing_rows
from tests.billing.models.rows import NOW, draft
from tests.billing.world import subscribe_tenant

pytestmark = pytest.mark.django_db


def refuses(name: str) -> AbstractContextManager[object]:
    return pytest.raises(IntegrityError, match=name)


@pytest.fixture
def subscription() -> Subscription:
    return subscribe_tenant()


@pytest.fixture
def other() -> Subscription:
    """Create another tenant's subscription, on a plan of its own."""
    return subscribe_tenant("globex")


def test_a_provider_s_customer_is_one_tenant(subscription: Subscription, other: Subscription) -> None:
    rows.customer(subscription)
    with refuses("provider_customer_one_per_reference"), transaction.atomic():
        rows.customer(other)
    with refuses("provider_customer_one_per_tenant"), transaction.atomic():
        rows.customer(subscription, reference="cus_2")
    rows.customer(other, provider="another")


def test_a_provider_s_agreement_is_one_subscription_of_ours(subscription: Subscription, other: Subscription) -> None:
    agreement = rows.agreement(subscription)
    with refuses("provider_agreement_one_per_reference"), transaction.atomic():
        rows.agreement(other)
    with refuses("provider_agreement_state_known"), transaction.atomic():
        ProviderAgreement.objects.filter(pk=agreement.pk).update(state="lost")
    rows.agreement(other, provider="another")


def test_a_provider_s_invoice_is_one_of_ours(subscription: Subscription, other: Subscription) -> None:
    rows.collecting(draft(subscription))
    another = draft(other)
    with refuses("provider_invoice_one_per_reference"), transaction.atomic():
        rows.collecting(another)
    rows.collecting(another, provider="another")


def test_a_provider_s_refund_is_one_of_ours_and_named_unless_refused(subscription: Subscription) -> None:
    payment = billing_rows.payment(draft(subscription))
    made = rows.provider_refund(billing_rows.refund(payment, way="provider", reference=""))
    another = billing_rows.refund(payment, way="provider", reference="")
    with refuses("provider_refund_one_per_reference"), transaction.atomic():
        rows.provider_refund(another)
    with refuses("provider_refund_is_named_unless_refused"), transaction.atomic():
        rows.provider_refund(another, reference="")
    with refuses("provider_refund_status_known"), transaction.atomic():
        ProviderRefund.objects.filter(pk=made.pk).update(status="lost")
    rows.provider_refund(another, reference="", status="failed")


def test_a_delayed_invoice_is_tried_again_later(subscription: Subscription) -> None:
    invoice = draft(subscription)
    with refuses("push_delay_next_is_later"), transaction.atomic():
        PushDelay.objects.create(
            invoice=invoice, tenant_id=invoice.tenant_id, provider="stripe", attempts=1, last_attempt_at=NOW,
            next_attempt_at=NOW - timedelta(seconds=1), error="No.",
        )  # fmt: skip


def test_an_event_of_a_provider_is_kept_once() -> None:
    rows.inbox_event()
    with refuses("inbox_event_once"), transaction.atomic():
        rows.inbox_event()
    rows.inbox_event(provider="another")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        # Both refuse it; PostgreSQL names the one that comes first in the alphabet.
        ({"status": "lost"}, "inbox_status_known|inbox_processed_has_time"),
        ({"status": "processed"}, "inbox_processed_has_time"),
        ({"processed_at": NOW}, "inbox_processed_has_time"),
    ],
)
def test_an_event_records_what_became_of_it(change: dict[str, object], name: str) -> None:
    event = rows.inbox_event()
    with refuses(name), transaction.atomic():
        InboxEvent.objects.filter(pk=event.pk).update(**change)


def test_a_choice_names_a_provider(subscription: Subscription) -> None:
    with refuses("provider_choice_names_one"), transaction.atomic():
        ProviderChoice.objects.create(tenant=subscription.tenant, provider="")


def test_an_hour_is_pushed_once_a_revision(subscription: Subscription) -> None:
    first = rows.push(subscription)
    with refuses("usage_push_once"), transaction.atomic():
        rows.push(subscription)
    with refuses("usage_push_identifier_once"), transaction.atomic():
        rows.push(subscription, revision=2, identifier=first.identifier)
    rows.push(subscription, revision=2)
    with refuses("usage_push_status_known"), transaction.atomic():
        UsagePush.objects.filter(pk=first.pk).update(status="lost")


def test_a_difference_is_one_open_finding_that_says_how_it_ended() -> None:
    row = rows.finding()
    with refuses("payment_finding_open_once"), transaction.atomic():
        rows.finding()
    stored = PaymentFinding.objects.filter(pk=row.pk)
    refused = {
        "payment_finding_code_known": {"code": "odd"},
        "payment_finding_closed_has_reason": {"closed_at": NOW},
        "payment_finding_settled_says_how": {"settled_at": NOW},
        "payment_finding_seen_after_opened": {"seen_at": NOW - timedelta(seconds=1)},
    }
    for name, fields in refused.items():
        with refuses(name), transaction.atomic():
            stored.update(**fields)
    stored.update(closed_at=NOW, closed_because="Gone.")
    rows.finding()
