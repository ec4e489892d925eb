"""What a member of a tenant may do. This table alone defines what each role allows."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """A member's role, the highest first."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


class Capability(StrEnum):
    """A capability that a role grants."""

    OWN_TENANT = "own_tenant"  # what cannot be undone: exporting everything, closing
    MANAGE_TENANT = "manage_tenant"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_KEYS = "manage_keys"
    READ_USAGE = "read_usage"
    MANAGE_WEBHOOKS = "manage_webhooks"
    MANAGE_BILLING = "manage_billing"
    READ_AUDIT = "read_audit"


CAPABILITIES: Final[dict[Role, frozenset[Capability]]] = {
    Role.OWNER: frozenset(Capability),
    Role.ADMIN: frozenset(Capability) - {Capability.OWN_TENANT},
    Role.DEVELOPER: frozenset({Capability.MANAGE_KEYS, Capability.READ_USAGE, Capability.MANAGE_WEBHOOKS}),
    Role.VIEWER: frozenset({Capability.READ_USAGE}),
}
_RANKS: Final = {role: rank for rank, role in enumerate(reversed(Role))}


def has_capability(role: Role, capability: Capability) -> bool:
    """Return whether `role` grants `capability`."""
    return capability in CAPABILITIES[role]


def outranks(role: Role, other: Role) -> bool:
    """Return whether `role` is strictly above `other`."""
    return _RANKS[role] > _RANKS[other]


def lower_of(role: Role, other: Role) -> Role:
    """Return the role that allows less."""
    return other if outranks(role, other) else role


def may_manage(actor: Role, subject: Role) -> bool:
    """Return whether `actor` may give, change or remove the role `subject`.

    An owner may do so with every role, the owner's included; an admin with those below.
    """
    if not has_capability(actor, Capability.MANAGE_MEMBERS):
        return False
    return actor is Role.OWNER or outranks(actor, subject)
