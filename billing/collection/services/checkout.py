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
from billing.selectors.invoicing.preview import preview_first_invoice
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
    is_charged = live is None and provider.describe().charges_at_checkout
    charge_minor = due_at_checkout(tenant=tenant, version=sold, as_of=as_of) if is_charged else 0
    url = provider.start_checkout(
        CheckoutOrder(
            customer_reference=ensure_customer(tenant_id=tenant.pk, provider=provider, as_of=as_of).reference,
            currency=currency,
            tenant_id=tenant.pk,
            plan_version_id=version.pk,
            agreement=_agreement(
                sold, currency, provider.describe().merchant_of_record, is_new=live is None, charge_minor=charge_minor
            ),
            success_url=success_url,
            cancel_url=cancel_url,
            charge_minor=charge_minor,
            charge_name=f"{sold.plan_name}: first invoice, with tax",
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
    customer = ensure_customer(tenant_id=tenant.pk, provider=provider, as_of=as_of)
    url = provider.open_portal(customer_reference=customer.reference, return_url=return_url)
    _note(tenant, "billing_portal.opened", {}, actor, as_of)
    return url


def require_provider(tenant_id: UUID) -> PaymentProvider:
    """Return the provider that the tenant pays through. Raises `PaymentProviderError` if none is set up."""
    provider = provider_of_tenant(tenant_id)
    if provider is None:
        raise PaymentProviderError("Payments are not set up: no payment provider is configured.")
    return provider


def due_at_checkout(*, tenant: Tenant, version: SoldVersion, as_of: datetime) -> int:
    """Return what a new customer pays on the checkout's page: the total of its first invoice, with tax.

    It is 0 if the plan begins with a trial, or has no fee: then the page only takes a card. Raises `UnbillableError`.
    """
    if version.trial_days:
        return 0
    return max(preview_first_invoice(tenant=tenant, version=version, as_of=as_of).total_minor, 0)


def _agreement(version: SoldVersion, currency: str, merchant: str, *, is_new: bool, charge_minor: int) -> str:
    """Return the text of the agreement, which says what the page charges and what is charged later."""
    fee = version.fee(currency)
    assert fee is not None, "it is sold in the currency"
    parts = []
    if fee_amount(fee):
        parts.append(f"{money_text(round_to_minor(fee_amount(fee), currency), currency)} a month in advance")
    if version.usage_prices(currency):
        parts.append("what you use, by the price list, at each month's end")
    issuer = merchant or Issuer.objects.get(pk=1).legal_name
    if charge_minor:
        charged = (
            f"You pay {money_text(charge_minor, currency)} now: your first invoice, with tax. {issuer} sends you each"
            " later invoice, and charges this card."
        )
    elif is_new and version.trial_days:
        charged = (
            f"This page charges nothing. The first {_days(version.trial_days)} free; {issuer} invoices you after them,"
            " and charges this card."
        )
    else:
        charged = f"This page charges nothing. {issuer} sends you your invoices, and charges this card."
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
