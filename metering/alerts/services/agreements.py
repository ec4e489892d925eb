"""Under which agreement a tenant uses what is metered: an app above says so, and alerts name it."""

from uuid import UUID

from metering.alerts.models import TenantAgreement


def set_agreement(*, tenant_id: UUID, agreement_id: UUID | None) -> None:
    """Note the tenant's agreement from now on, or that it has none, in the transaction in which it began or ended."""
    if agreement_id is None:
        TenantAgreement.objects.filter(tenant_id=tenant_id).delete()
    else:
        TenantAgreement.objects.update_or_create(tenant_id=tenant_id, defaults={"agreement_id": agreement_id})
