"""The work to do at a provider, and the owners of its objects.

State is the queue: a later call finds what is left.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from accounts.models import Tenant
from billing.collection.domain.provider import AgreementState
from billing.collection.models import (
    InboxEvent,
    InboxStatus,
    ProviderAgreement,
    ProviderCustomer,
    PushStatus,
    UsagePush,
)
from billing.domain.statuses import LIVE_STATUSES, InvoiceStatus, SubscriptionStatus
from billing.models import Invoice, Payment, PaymentRefund, PaymentStatus, RefundWay, Subscription


def customer_named(*, provider: str, reference: str) -> ProviderCustomer | None:
    """Return the customer of this reference with its tenant, or None if it is unknown."""
    if not reference:
        return None
    return ProviderCustomer.objects.select_related("tenant").filter(provider=provider, reference=reference).first()


def live_subscription_of(tenant: Tenant) -> Subscription | None:
    """Return the tenant's live subscription, if there is one."""
    live: Subscription | None = (
        Subscription.objects.of_tenant(tenant.pk).live().select_related("tenant", "plan_version__plan").first()
    )
    return live


def has_live_agreement(subscription: Subscription) -> bool:
    """Return whether the customer's agreement continues, as last described by a provider."""
    agreements = ProviderAgreement.objects.filter(subscription=subscription)
    return agreements.exclude(state=AgreementState.ENDED).exists()


def _tried_longest_ago(invoices: QuerySet[Invoice], as_of: datetime) -> QuerySet[Invoice]:
    """Return those whose pause is over, first the untried, then those tried longest ago: so none holds up others."""
    due = invoices.filter(Q(push_delay=None) | Q(push_delay__next_attempt_at__lte=as_of))
    return due.order_by(F("push_delay__last_attempt_at").asc(nulls_first=True), "finalized_at", "pk")


def invoices_to_collect(
    *, provider: str, as_of: datetime, tenant_ids: Collection[UUID] | None = None
) -> QuerySet[Invoice]:
    """Find unpaid invoices of customers with a card that no provider collects, or whose push here is unfinished."""
    charged = ProviderCustomer.objects.filter(tenant=OuterRef("tenant"), provider=provider).exclude(card_label="")
    found: QuerySet[Invoice] = Invoice.objects.unpaid().filter(
        Q(provider_invoice=None) | Q(provider_invoice__provider=provider, provider_invoice__payment_url=""),
        Exists(charged),
        total_minor__gt=0,
    )
    if tenant_ids is not None:
        found = found.filter(tenant__in=tenant_ids)
    return _tried_longest_ago(found, as_of)


def invoices_to_take_back(*, provider: str, as_of: datetime) -> QuerySet[Invoice]:
    """Find invoices that the provider still collects and that are no longer owed, or not in full.

    They were voided, written off, paid in another way, or paid or credited in part since; the rest is collected again.
    """
    came_in = [PaymentStatus.SUCCEEDED, PaymentStatus.UNMATCHED]
    paid_there = Payment.objects.filter(invoice=OuterRef("pk"), provider=provider, status__in=came_in)
    settled = [InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.PAID]
    collected = Coalesce("provider_invoice__amount_minor", "total_minor")
    is_less = ~Q(total_minor=collected + F("amount_paid_minor") + F("credited_minor"))
    found: QuerySet[Invoice] = Invoice.objects.filter(
        Q(status__in=settled) | Q(is_less, status=InvoiceStatus.FINALIZED),
        ~Exists(paid_there),
        provider_invoice__provider=provider,
    )
    return _tried_longest_ago(found, as_of)


def refunds_to_push(*, provider: str) -> QuerySet[PaymentRefund]:
    """Find refunds that the provider is to make and was not asked for yet, or whose answer was lost."""
    return (
        PaymentRefund.objects.filter(
            way=RefundWay.PROVIDER,
            reference="",
            reverses=None,
            payment__provider=provider,
            provider_refund=None,
        )
        .select_related("payment")
        .order_by("pk")
    )


def agreements_to_end(*, provider: str) -> QuerySet[ProviderAgreement]:
    """Find agreements whose subscription has ended here and that continue at the provider."""
    return (
        ProviderAgreement.objects.filter(provider=provider, subscription__status=SubscriptionStatus.CANCELLED)
        .exclude(state=AgreementState.ENDED)
        .order_by("pk")
    )


def agreements_to_push(*, provider: str) -> QuerySet[ProviderAgreement]:
    """Find agreements whose subscription was cancelled or continued here since the provider's last state."""
    return (
        ProviderAgreement.objects.filter(provider=provider, subscription__status__in=LIVE_STATUSES)
        .exclude(state=AgreementState.ENDED)
        .exclude(is_cancelled_at_provider=F("subscription__is_cancelled_at_period_end"))
        .select_related("subscription")
        .order_by("pk")
    )


def agreements_that_differ() -> int:
    """Count the agreements whose state at the provider differs from our subscription."""
    live = Q(subscription__status__in=LIVE_STATUSES)
    differing = ~Q(is_cancelled_at_provider=F("subscription__is_cancelled_at_period_end"))
    return ProviderAgreement.objects.exclude(state=AgreementState.ENDED).filter(~live | differing).count()


def failed_inbox_events() -> int:
    """Count the events that could not be processed yet."""
    return InboxEvent.objects.filter(status=InboxStatus.FAILED).count()


def rejected_pushes() -> int:
    """Count the hours of usage that a provider rejected."""
    return UsagePush.objects.filter(status=PushStatus.REJECTED).count()
