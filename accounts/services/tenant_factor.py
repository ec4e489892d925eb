"""Whether a tenant's members need a second factor for its pages. Owners decide."""

from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Capability
from accounts.errors import SecondFactorMissingError
from accounts.models import Tenant
from accounts.selectors.second_factors import second_factors_of
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability


def require_second_factor(*, tenant: Tenant, is_required: bool, actor: Actor, as_of: datetime) -> Tenant:
    """Require a second factor of every member, or no longer. Nothing is recorded if it is so already.

    Only an owner with a second factor of their own may require one: they cannot lock themselves out.

    Raises `PermissionMissingError`, `SecondFactorMissingError`.
    """
    with transaction.atomic():
        current = lock_tenant(tenant.pk)
        require_capability(actor, current.pk, Capability.OWN_TENANT)
        if is_required and not (actor.user_id and second_factors_of(actor.user_id)):
            raise SecondFactorMissingError("Set up a second factor of your own first.")
        if current.requires_second_factor is not is_required:
            Tenant.objects.filter(pk=current.pk).update(requires_second_factor=is_required)
            record_audit(
                actor=actor,
                action="tenant.updated",
                tenant_id=current.pk,
                target=AuditTarget("tenant", current.pk, current.slug),
                before={"requires_second_factor": not is_required},
                after={"requires_second_factor": is_required},
                as_of=as_of,
            )
            current.requires_second_factor = is_required
    return current
