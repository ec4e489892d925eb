"""A member's actions at a provider: agreeing to a plan with a card, and changing cards.

None of our rows changes until the provider reports it.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Capability
from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import require_capability
from billing.collection.domain.provider import CheckoutOrder, PaymentProvider
from billing.collection.errors import PaymentProviderError
from billing.collection.selectors.providers import provider_of_tenant
from billing.collection.selectors.work import has_live_agreement, live_subscription_of
from billing.collection.services.customers import ensure_customer
from billing.domain.money import money_text, round_to_minor
from billing.domain.plan_terms import SoldVersion, fee_amount
from billing.errors import CurrencyNotOfferedError, ParticularsMissingError, SubscriptionExistsError
from billing.models import Issuer, PlanVersion
from billing.selectors.catalog.plans import as_sold
from billing.selectors.subscriptions.current import as_offered
from billing.taxlaw.domain.particulars import ADDRESS_FIELDS, has_address


def start_checkout(
    *, tenant: Tenant, version: PlanVersion, actor: Actor, success_url: str, cancel_url: str, as_of: datetime
) -> str:
    """Return the address of a page at the provider on which the customer agrees to the plan and enters a card.

    The subscription begins when the provider reports that this is done. Raises `SubscriptionExistsError` if there is
    already an agreement (its plan is changed here), `ParticularsMissingError` if the customer's address is unknown,
    `CurrencyNotOfferedError`, `PermissionMissingError`, `PaymentProviderError`.
    """
    require_capability(actor, tenant.pk, Capability.MANAGE_BILLING)
    if not has_address({name: getattr(tenant, name) for name in ADDRESS_FIELDS}):
        raise ParticularsMissingError("An invoice needs your address. Fill in street, city and country first.")
    live = live_subscription_of(tenant)
    if live is not None and has_live_agreement(live):
        raise SubscriptionExistsError("The tenant has a subscription with a card. Change its plan instead.")
    # A subscription keeps its currency, whatever the tenant's settings are now; and a provider accepts one currency per
    # customer.
    currency = tenant.currency if live is None else live.currency
    [sold] = as_offered([as_sold(version)], tenant.pk)
    if sold.fee(currency) is None:
        raise CurrencyNotOfferedError(f"{version.plan.name} has no prices in {currency}.")
    provider = require_provider(tenant.pk)
    url = provider.start_checkout(
        CheckoutOrder(
            customer_reference=ensure_customer(tenant_id=tenant.pk, provider=provider).reference,
            currency=currency,
            tenant_id=tenant.pk,
            plan_version_id=version.pk,
            agreement=_agreement(sold, currency, is_new=live is None),
            success_url=success_url,
            cancel_url=cancel_url,
        )
    )
    _note(tenant, "checkout.started", {"plan": str(version)}, actor, as_of)
    return url


def open_billing_portal(*, tenant: Tenant, return_url: str, actor: Actor, as_of: datetime) -> str:
    """Return the address of the provider's page for cards and past payments.

    Raises `PermissionMissingError`, `PaymentProviderError`.
    """
    require_capability(actor, tenant.pk, Capability.MANAGE_BILLING)
    provider = require_provider(tenant.pk)
    customer = ensure_customer(tenant_id=tenant.pk, provider=provider)
    url = provider.open_portal(customer_reference=customer.reference, return_url=return_url)
    _note(tenant, "billing_portal.opened", {}, actor, as_of)
    return url


def require_provider(tenant_id: UUID) -> PaymentProvider:
    """Return the provider that the tenant pays through. Raises `PaymentProviderError` if none is set up."""
    provider = provider_of_tenant(tenant_id)
    if provider is None:
        raise PaymentProviderError("Payments are not set up: no payment provider is configured.")
    return provider


def _agreement(version: SoldVersion, currency: str, *, is_new: bool) -> str:
    """Return the text of the agreement: the page itself can only show a monthly price of 0."""
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
        charged = (
            f"{issuer} invoices you, and charges this card: for the first month right after this page, which "
            f"itself charges nothing."
        )
    else:
        charged = f"{issuer} invoices you, and charges this card; nothing is charged by this page itself."
    return (
        f"You subscribe to {version.plan_name}: {', and '.join(parts)}, plus tax if it is due. {charged} "
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
            target=AuditTarget("tenant", tenant.pk, tenant.slug),
            after=after,
            as_of=as_of,
        )
