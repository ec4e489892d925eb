"""What there is to do with Stripe, and whose an object of Stripe's is. State is the queue: whoever asks again finds what is left."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from djstripe.models import WebhookEndpoint

from accounts.models import Tenant
from accounts.sql import fetch_all
from billing.collection.gateways.stripe.objects import ENDED_AT_STRIPE
from billing.domain.statuses import LIVE_STATUSES, InvoiceStatus, SubscriptionStatus
from billing.models import (
    BillingProfile,
    Invoice,
    Payment,
    PaymentProvider,
    PaymentStatus,
    PushStatus,
    Subscription,
    UsagePush,
)

# Stripe takes usage that is up to 35 days old; an hour is left for the way.
PUSHED_AT_MOST_AFTER: Final = timedelta(days=35) - timedelta(hours=1)

# The whole number that Stripe gets is the hour's total, half-up. An hour that was pushed and has no usage left is pushed as 0.
CHANGED_HOURS = """
WITH usage AS (
    SELECT h.tenant_id, h.meter_id, h.hour, round(sum(h.quantity)) AS quantity
    FROM usage_hour AS h
    JOIN billing_billingprofile AS p ON p.tenant_id = h.tenant_id AND p.stripe_customer_id <> ''
    WHERE h.is_live AND h.hour >= %(since)s AND h.hour < %(until)s
    GROUP BY 1, 2, 3
),
pushed AS (
    SELECT DISTINCT ON (tenant_id, meter_id, hour) tenant_id, meter_id, hour, quantity, revision
    FROM billing_usagepush WHERE hour >= %(since)s AND hour < %(until)s
    ORDER BY tenant_id, meter_id, hour, revision DESC
)
SELECT tenant_id, meter_id, hour, coalesce(u.quantity, 0), coalesce(p.revision, 0) + 1
FROM usage AS u FULL JOIN pushed AS p USING (tenant_id, meter_id, hour)
WHERE coalesce(u.quantity, 0) <> coalesce(p.quantity, 0)
ORDER BY hour, tenant_id, meter_id
LIMIT %(limit)s
"""


def endpoint_secret(endpoint_uuid: UUID) -> str | None:
    """The secret of dj-stripe's endpoint, or None where there is none under this address, or it is switched off."""
    secret: str | None = (
        WebhookEndpoint.objects.filter(djstripe_uuid=endpoint_uuid, status="enabled")
        .exclude(secret="")
        .values_list("secret", flat=True)
        .first()
    )
    return secret


def endpoint_at(url: str) -> tuple[str, UUID] | None:
    """The id and the uuid of the endpoint that we have a secret of and that listens at `url`."""
    row = WebhookEndpoint.objects.filter(url=url, status="enabled").exclude(secret="").first()
    return None if row is None else (str(row.id), row.djstripe_uuid)


def profile_of_customer(customer_id: str) -> BillingProfile | None:
    """Whose customer it is."""
    if not customer_id:
        return None
    return BillingProfile.objects.select_related("tenant").filter(stripe_customer_id=customer_id).first()


def live_subscription_of(tenant: Tenant) -> Subscription | None:
    """The tenant's subscription that goes on, if there is one."""
    live: Subscription | None = (
        Subscription.objects.of_tenant(tenant.pk).live().select_related("tenant", "plan_version__plan").first()
    )
    return live


def has_live_agreement(subscription: Subscription) -> bool:
    """Whether Stripe said last that the customer's agreement goes on."""
    return bool(subscription.stripe_subscription_id) and subscription.stripe_status not in ENDED_AT_STRIPE


def invoices_to_collect(tenant_ids: Collection[UUID] | None = None) -> QuerySet[Invoice]:
    """Unpaid invoices of customers with a card that Stripe does not know, or does not know to the end."""
    found: QuerySet[Invoice] = Invoice.objects.unpaid().filter(
        Q(stripe_invoice_id="") | Q(payment_url=""),
        total_minor__gt=0,
        tenant__billing_profile__card_label__gt="",
        tenant__billing_profile__stripe_customer_id__gt="",
    )
    if tenant_ids is not None:
        found = found.filter(tenant__in=tenant_ids)
    return found.select_related("tenant__billing_profile").order_by("finalized_at", "pk")


def invoices_to_take_back() -> QuerySet[Invoice]:
    """Invoices that Stripe still collects and that nobody owes any more: void, given up, or paid past Stripe."""
    came_in = [PaymentStatus.SUCCEEDED, PaymentStatus.UNMATCHED]
    by_stripe = Payment.objects.filter(invoice=OuterRef("pk"), provider=PaymentProvider.STRIPE, status__in=came_in)
    settled = [InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.PAID]
    return Invoice.objects.filter(~Exists(by_stripe), ~Q(stripe_invoice_id=""), status__in=settled).order_by("pk")


def agreements_to_end() -> QuerySet[Subscription]:
    """Subscriptions that have ended here and go on at Stripe."""
    return (
        Subscription.objects.filter(~Q(stripe_subscription_id=""), status=SubscriptionStatus.CANCELLED)
        .exclude(stripe_status__in=ENDED_AT_STRIPE)
        .order_by("pk")
    )


def agreements_to_tell() -> QuerySet[Subscription]:
    """Subscriptions that were cancelled, or taken back, here since Stripe spoke last."""
    return (
        Subscription.objects.filter(~Q(stripe_subscription_id=""), status__in=LIVE_STATUSES)
        .exclude(stripe_status__in=ENDED_AT_STRIPE)
        .exclude(is_cancelled_at_period_end=F("is_cancelled_at_stripe"))
        .order_by("pk")
    )


def changed_hours(*, until: datetime, as_of: datetime, limit: int) -> list[tuple[UUID, int, datetime, int, int]]:
    """Hours before `until` whose total is not what was pushed last: tenant, meter, hour, whole total, next revision."""
    parameters = {"since": as_of - PUSHED_AT_MOST_AFTER, "until": until, "limit": limit}
    rows = fetch_all(CHANGED_HOURS, parameters)
    return [(tenant_id, meter_id, hour, int(total), revision) for tenant_id, meter_id, hour, total, revision in rows]


def pending_pushes(*, limit: int) -> list[tuple[UsagePush, str]]:
    """Pushes of which nobody knows that Stripe has them, oldest first, each with the id of its customer."""
    waiting = UsagePush.objects.filter(status=PushStatus.PENDING).select_related("meter")
    pushes = list(waiting.order_by("created_at", "hour", "revision", "pk")[:limit])
    profiles = BillingProfile.objects.filter(tenant__in={push.tenant_id for push in pushes})
    customers = dict(profiles.values_list("tenant_id", "stripe_customer_id"))
    return [(push, customers[push.tenant_id]) for push in pushes]
