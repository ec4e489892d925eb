"""Staff choose the provider that a tenant pays through."""

from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.errors import FieldError, InvalidFieldsError
from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from billing.collection.gateways.registry import configured_providers
from billing.collection.models import ProviderChoice
from billing.collection.selectors.providers import merchant_named
from billing.collection.selectors.work import has_live_agreement, live_subscription_of
from billing.errors import SubscriptionExistsError
from billing.services.subscriptions.profiles import keep_merchant


@transaction.atomic
def choose_provider(*, tenant: Tenant, provider: str, actor: Actor, as_of: datetime) -> None:
    """Choose the provider that a tenant pays through; an empty name leaves it to the preferred one.

    With it, the tenant's next documents say who sells. Raises `InvalidFieldsError` if the provider is not set up, and
    `SubscriptionExistsError` if the tenant has agreed to be charged by one.
    """
    if provider and provider not in {known.name for known in configured_providers()}:
        detail = "This provider is not set up."
        raise InvalidFieldsError(detail, field_errors=(FieldError("/provider", "unknown_provider", detail),))
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    before = ProviderChoice.objects.filter(tenant=tenant).values_list("provider", flat=True).first() or ""
    if before == provider:
        return
    live = live_subscription_of(tenant)
    if live is not None and has_live_agreement(live):
        raise SubscriptionExistsError("The tenant has agreed to be charged. End that agreement first.")
    if provider:
        ProviderChoice.objects.update_or_create(tenant=tenant, defaults={"provider": provider})
    else:
        ProviderChoice.objects.filter(tenant=tenant).delete()
    keep_merchant(tenant_id=tenant.pk, merchant=merchant_named(provider))
    record_audit(
        actor=actor,
        action="tenant.provider_chosen",
        tenant_id=tenant.pk,
        target=AuditTarget("tenant", tenant.pk, tenant.slug),
        before={"provider": before},
        after={"provider": provider},
        as_of=as_of,
    )
