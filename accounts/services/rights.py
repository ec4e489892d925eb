"""Checks whether an actor may do what a service is about to do. Roles are read again, under the tenant's lock.

Keys and staff are checked at the entrance: keys by scope, staff by Django's permissions.
"""

from uuid import UUID

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.roles import Capability, Role, has_capability
from accounts.errors import NotFoundError, PermissionMissingError
from accounts.models import Membership, Tenant


def lock_tenant(tenant_id: UUID) -> Tenant:
    """Lock the tenant's row for the rest of the transaction, so that changes of its members take turns."""
    tenant: Tenant | None = Tenant.objects.select_for_update().filter(pk=tenant_id).first()
    if tenant is None:
        raise NotFoundError
    return tenant


def role_of_actor(actor: Actor, tenant_id: UUID) -> Role | None:
    """Return the role that limits the actor: the member's own as of now, or that of the customer viewed as."""
    if actor.kind is not ActorKind.MEMBER:
        return actor.role
    assert actor.user_id is not None, "a member is a person"
    role = Membership.objects.filter(tenant_id=tenant_id, user_id=actor.user_id).values_list("role", flat=True).first()
    if role is None:
        raise PermissionMissingError
    return Role(role)


def require_capability(actor: Actor, tenant_id: UUID, capability: Capability) -> Role | None:
    """Return the role that limits the actor. Raises `PermissionMissingError` if it lacks the capability."""
    role = role_of_actor(actor, tenant_id)
    if role is not None and not has_capability(role, capability):
        raise PermissionMissingError
    return role
