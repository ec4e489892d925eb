"""Whether an actor may do what a service is about to do. Roles are read again here, under the tenant's lock.

Keys and staff are checked where they come in: keys by scope, staff by Django's permissions.
"""

from uuid import UUID

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.roles import Capability, Role, has_capability
from accounts.errors import NotFoundError, PermissionMissingError
from accounts.models import Membership, Tenant


def lock_tenant(tenant_id: UUID) -> Tenant:
    """Lock the tenant's row for the rest of the transaction: changes of its members take turns."""
    tenant: Tenant | None = Tenant.objects.select_for_update().filter(pk=tenant_id).first()
    if tenant is None:
        raise NotFoundError
    return tenant


def role_of_actor(actor: Actor, tenant_id: UUID) -> Role | None:
    """Return the role that bounds the actor: a member's own as it is now, or that of the customer viewed as."""
    if actor.kind is not ActorKind.MEMBER:
        return actor.role
    assert actor.user_id is not None, "a member is a person"
    role = Membership.objects.filter(tenant_id=tenant_id, user_id=actor.user_id).values_list("role", flat=True).first()
    if role is None:
        raise PermissionMissingError
    return Role(role)


def require_capability(actor: Actor, tenant_id: UUID, capability: Capability) -> Role | None:
    """Return the role that bounds the actor. Raises `PermissionMissingError` where it lacks the capability."""
    role = role_of_actor(actor, tenant_id)
    if role is not None and not has_capability(role, capability):
        raise PermissionMissingError
    return role
