"""What a member does at Stripe: agree to a plan and give a card, and change cards. Nothing of ours changes before Stripe has said so."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Capability, Role
from accounts.models import Membership, Tenant
from accounts.services.audit import record_audit
from accounts.services.rights import require_capability
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe import mirror as stripe_mirror
from billing.collection.gateways.stripe.objects import required
from billing.collection.selectors.work import has_live_agreement, live_subscription_of
from billing.domain.money import money_text, round_to_minor
from billing.domain.plan_terms import SoldVersion, fee_amount
from billing.errors import CurrencyNotOfferedError, SubscriptionExistsError
from billing.models import BillingProfile, Issuer, PlanVersion
from billing.selectors.catalog.plans import as_sold
from billing.selectors.subscriptions.current import as_offered
from billing.services.subscriptions.profiles import billing_profile_of

ADDRESS = {
    "line1": "address_line1",
    "line2": "address_line2",
    "postal_code": "postal_code",
    "city": "city",
    "state": "region",
    "country": "country",
}


def start_checkout(
    *, tenant: Tenant, version: PlanVersion, actor: Actor, success_url: str, cancel_url: str, as_of: datetime
) -> str:
    """Return the address of a page at Stripe on which the customer agrees to the plan and gives a card.

    The subscription begins when Stripe says that this is done. Raises `SubscriptionExistsError` where there is an agreement
    already (its plan is changed here), `CurrencyNotOfferedError`, `PermissionMissingError`, `PaymentProviderError`.
    """
    require_capability(actor, tenant.pk, Capability.MANAGE_BILLING)
    live = live_subscription_of(tenant)
    if live is not None and has_live_agreement(live):
        raise SubscriptionExistsError("The tenant has a subscription with a card: change its plan instead.")
    # A subscription keeps its currency, whatever the tenant says since; and Stripe takes one currency of a customer.
    currency = tenant.currency if live is None else live.currency
    [sold] = as_offered([as_sold(version)], tenant.pk)
    if sold.fee(currency) is None:
        raise CurrencyNotOfferedError(f"{version.plan.name} has no prices in {currency}.")
    customer_id = ensure_customer(tenant_id=tenant.pk)
    session = stripe_api.start_checkout(
        customer_id=customer_id,
        price_id=stripe_api.agreement_price(currency),
        tenant_id=tenant.pk,
        plan_version_id=version.pk,
        agreement=_agreement(sold, currency, is_new=live is None),
        success_url=success_url,
        cancel_url=cancel_url,
    )
    _note(tenant, "checkout.started", {"plan": str(version)}, actor, as_of)
    return required(session, "url")


def open_billing_portal(*, tenant: Tenant, return_url: str, actor: Actor, as_of: datetime) -> str:
    """Return the address of Stripe's page for cards and past payments. Raises `PermissionMissingError`, `PaymentProviderError`."""
    require_capability(actor, tenant.pk, Capability.MANAGE_BILLING)
    customer_id = ensure_customer(tenant_id=tenant.pk)
    session = stripe_api.open_portal(customer_id=customer_id, return_url=return_url)
    _note(tenant, "billing_portal.opened", {}, actor, as_of)
    return required(session, "url")


def ensure_customer(*, tenant_id: UUID) -> str:
    """Return the id of the tenant's customer at Stripe, made if there is none, and described as the tenant is now.

    Two at once ask for the same customer by one Idempotency-Key, and the first id that is kept stays.
    """
    customer_id = billing_profile_of(tenant_id).stripe_customer_id
    if not customer_id:
        made = required(stripe_api.create_customer(tenant_id=tenant_id), "id")
        nobody = BillingProfile.objects.filter(tenant_id=tenant_id, stripe_customer_id="")
        nobody.update(stripe_customer_id=made)
        customer_id = BillingProfile.objects.values_list("stripe_customer_id", flat=True).get(tenant_id=tenant_id)
    tenant = Tenant.objects.get(pk=tenant_id)
    described = stripe_api.describe_customer(
        customer_id,
        name=tenant.legal_name or tenant.name,
        email=tenant.billing_email or _address_of_owner(tenant),
        address={ours: getattr(tenant, theirs) for ours, theirs in ADDRESS.items()},
    )
    stripe_mirror.mirror_object(described)
    return customer_id


def _address_of_owner(tenant: Tenant) -> str:
    """Where a bill reaches a tenant that has named no address for bills: Stripe sends no invoice to a customer without one."""
    owners = Membership.objects.filter(tenant=tenant, role=Role.OWNER, user__is_active=True)
    return owners.order_by("created_at", "pk").values_list("user__email", flat=True).first() or ""


def _agreement(version: SoldVersion, currency: str, *, is_new: bool) -> str:
    """What the customer agrees to, in words: Stripe's page itself shows but a monthly price of nothing."""
    fee = version.fee(currency)
    assert fee is not None, "it is sold in the currency"
    parts = []
    if fee_amount(fee):
        parts.append(f"{money_text(round_to_minor(fee_amount(fee), currency), currency)} a month in advance")
    if version.usage_prices(currency):
        parts.append("what you use, by the price list, at each month's end")
    issuer = Issuer.objects.get(pk=1).legal_name
    if is_new and version.trial_days:
        charged = (
            f"The first {_days(version.trial_days)} free; {issuer} invoices you after them, and charges this card."
        )
    elif is_new and fee_amount(fee):
        charged = f"{issuer} invoices you, and charges this card: for the first month right after this page, which itself charges nothing."
    else:
        charged = f"{issuer} invoices you, and charges this card; nothing is charged by this page itself."
    return (
        f"You subscribe to {version.plan_name}: {', and '.join(parts)}, plus tax where it is due. {charged} "
        "You can cancel at any time."
    )


def _days(number: int) -> str:
    return "day is" if number == 1 else f"{number} days are"


def _note(tenant: Tenant, action: str, after: dict[str, object], actor: Actor, as_of: datetime) -> None:
    with transaction.atomic():
        record_audit(
            actor=actor,
            action=action,
            tenant_id=tenant.pk,
            target_kind="tenant",
            target_id=tenant.pk,
            target_label=tenant.slug,
            after=after,
            as_of=as_of,
        )
