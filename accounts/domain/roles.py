"""What a member of a tenant may do. This table alone defines what each role allows."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """A member's role. One is above another if it allows all that the other does, and more."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
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
    Role.BILLING: frozenset({Capability.MANAGE_BILLING, Capability.READ_USAGE}),
    Role.VIEWER: frozenset({Capability.READ_USAGE}),
}


def has_capability(role: Role, capability: Capability) -> bool:
    """Return whether `role` grants `capability`."""
    return capability in CAPABILITIES[role]


def outranks(role: Role, other: Role) -> bool:
    """Return whether `role` is strictly above `other`."""
    return CAPABILITIES[role] > CAPABILITIES[other]


def lower_of(role: Role, other: Role) -> Role:
    """Return the role that allows what both allow."""
    both = CAPABILITIES[role] & CAPABILITIES[other]
    return next(lower for lower, allowed in CAPABILITIES.items() if allowed == both)


def may_manage(actor: Role, subject: Role) -> bool:
    """Return whether `actor` may give, change or remove the role `subject`.

    An owner may do so with every role, the owner's included; an admin with those below.
    """
    if not has_capability(actor, Capability.MANAGE_MEMBERS):
        return False
    return actor is Role.OWNER or outranks(actor, subject)
