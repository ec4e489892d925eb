"""The agreement under which a tenant is metered: an app above sets it, and alerts name it."""

from uuid import UUID

from metering.alerts.models import TenantAgreement


def set_agreement(*, tenant_id: UUID, agreement_id: UUID | None) -> None:
    """Set the tenant's agreement, or remove it, in the transaction in which the agreement began or ended."""
    if agreement_id is None:
        TenantAgreement.objects.filter(tenant_id=tenant_id).delete()
    else:
        TenantAgreement.objects.update_or_create(tenant_id=tenant_id, defaults={"agreement_id": agreement_id})
