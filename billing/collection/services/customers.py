"""A tenant's customer at a provider: created once, with the tenant's current details, and its card."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.job_report import Finding, Findings
from accounts.domain.roles import Role
from accounts.models import Membership, Tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.discrepancies import record_findings
from billing.collection.domain.provider import AgreementState, CustomerDetails, PaymentProvider
from billing.collection.errors import CustomerGoneError
from billing.collection.models import ProviderAgreement, ProviderCustomer, ProviderInvoice
from billing.domain.statuses import InvoiceStatus
from billing.services.subscriptions.profiles import keep_card

ADDRESS: Final = ("address_line1", "address_line2", "postal_code", "city", "region", "country")


CUSTOMER_GONE: Final = "customer_gone"
FOUND_BY: Final = "collection"


def ensure_customer(*, tenant_id: UUID, provider: PaymentProvider, as_of: datetime | None = None) -> ProviderCustomer:
    """Return the tenant's customer at the provider, with current details, creating it if needed.

    One that the provider deleted is replaced by a new one at `as_of`, and staff are told. Two calls at once get the
    same customer, and the first stored reference stays. Raises `PaymentProviderError`.
    """
    try:
        return _ensured(tenant_id, provider)
    except CustomerGoneError as error:
        if as_of is None:
            raise
        gone = ProviderCustomer.objects.get(tenant_id=tenant_id, provider=provider.name)
        forget_customer(customer=gone, why=error.detail, as_of=as_of)
        return _ensured(tenant_id, provider)


def _ensured(tenant_id: UUID, provider: PaymentProvider) -> ProviderCustomer:
    tenant = Tenant.objects.get(pk=tenant_id)
    details = CustomerDetails(
        name=tenant.legal_name or tenant.name,
        email=tenant.billing_email or _address_of_owner(tenant),
        address={name: getattr(tenant, name) for name in ADDRESS},
    )
    customer = ProviderCustomer.objects.filter(tenant_id=tenant_id, provider=provider.name).first()
    if customer is None:
        _withdraw_invoices(tenant_id, provider)
        reference = provider.ensure_customer(tenant_id, details)
        customer, _ = ProviderCustomer.objects.get_or_create(
            tenant_id=tenant_id, provider=provider.name, defaults={"reference": reference}
        )
    provider.update_customer(customer.reference, details)
    return customer


def _withdraw_invoices(tenant_id: UUID, provider: PaymentProvider) -> None:
    """Withdraw unpaid invoices of a customer that is gone, so that each is collected by one invoice there."""
    named = ProviderInvoice.objects.filter(
        provider=provider.name, invoice__tenant_id=tenant_id, invoice__status=InvoiceStatus.FINALIZED
    )
    for row in list(named):
        if provider.take_back(row.reference):
            ProviderInvoice.objects.filter(pk=row.pk, reference=row.reference).delete()


@transaction.atomic
def forget_customer(*, customer: ProviderCustomer, why: str, as_of: datetime) -> str:
    """Delete our row of a customer that the provider no longer has, and tell staff; return that as a sentence.

    Its card is gone, and its agreement has ended, but not the subscription: its invoices are paid by their links until
    the customer gives a card again.
    """
    agreements = ProviderAgreement.objects.filter(
        provider=customer.provider, subscription__tenant_id=customer.tenant_id
    )
    agreements.exclude(state=AgreementState.ENDED).update(
        state=AgreementState.ENDED, status="", is_cancelled_at_provider=False
    )
    keep_card_of_customer(customer=customer, card_label="")
    ProviderCustomer.objects.filter(pk=customer.pk).delete()
    subject = f"customer {customer.reference}"
    detail = f"{why} A new customer is created when the tenant pays next; its card must be entered again."
    found = Finding(subject=subject, code=CUSTOMER_GONE, detail=detail, tenant_id=customer.tenant_id)
    record_findings(findings=Findings(found_by=FOUND_BY, found=(found,), subjects=(subject,)), as_of=as_of)
    record_audit(
        actor=Actor.system(customer.provider),
        action="provider_customer.forgotten",
        tenant_id=customer.tenant_id,
        target=AuditTarget("provider_customer", customer.pk, customer.reference),
        before={"card": customer.card_label},
        as_of=as_of,
    )
    return f"the customer {customer.reference} is gone: its card and its agreement are cleared"


def keep_card_of_customer(*, customer: ProviderCustomer, card_label: str) -> None:
    """Store the card that the provider charges; the tenant's billing profile shows the first card of any provider."""
    ProviderCustomer.objects.filter(pk=customer.pk).update(card_label=card_label)
    charged = ProviderCustomer.objects.filter(tenant_id=customer.tenant_id).exclude(card_label="").order_by("pk")
    label = charged.values_list("card_label", flat=True).first()
    keep_card(tenant_id=customer.tenant_id, card_label=label or "")


def _address_of_owner(tenant: Tenant) -> str:
    """Return the address of an owner, for a tenant without an address for bills.

    Some providers send no bills to a customer without one.
    """
    owners = Membership.objects.filter(tenant=tenant, role=Role.OWNER, user__is_active=True)
    return owners.order_by("created_at", "pk").values_list("user__email", flat=True).first() or ""
