"""A tenant that the operator makes for a customer who has not signed up."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import Tenant
from accounts.services.members import invite_member
from accounts.services.tenants import create_tenant


def onboard_tenant(
    *,
    name: str,
    slug: str | None,
    owner_email: str | None,
    settings: Mapping[str, object],
    actor: Actor,
    as_of: datetime,
) -> Tenant:
    """Make a tenant, and invite its owner where an address is given. Raises what those two raise; both or neither happen."""
    with transaction.atomic():
        tenant = create_tenant(name=name, slug=slug, owner=None, settings=settings, actor=actor, as_of=as_of)
        if owner_email is not None:
            invite_member(tenant=tenant, email=owner_email, role=Role.OWNER, actor=actor, as_of=as_of)
    return tenant
