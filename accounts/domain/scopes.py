"""What an API key may be allowed to do. No scope includes another: each is granted by name."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final

from accounts.domain.roles import Capability, Role, has_capability
from accounts.errors import FieldError, InvalidFieldsError


class Scope(StrEnum):
    """One permission of a key. `OPERATOR` is for service keys only."""

    EVENTS_WRITE = "events:write"
    USAGE_READ = "usage:read"
    BILLING_READ = "billing:read"
    KEYS_MANAGE = "keys:manage"
    WEBHOOKS_MANAGE = "webhooks:manage"
    OPERATOR = "operator"


SCOPES_FOR_TENANT_KEYS: Final = (
    Scope.EVENTS_WRITE,
    Scope.USAGE_READ,
    Scope.BILLING_READ,
    Scope.KEYS_MANAGE,
    Scope.WEBHOOKS_MANAGE,
)
SCOPES_FOR_SERVICE_KEYS: Final = tuple(Scope)
# The capability that a member's role must have before they may give a key the scope.
CAPABILITY_OF_SCOPE: Final[dict[Scope, Capability]] = {
    Scope.EVENTS_WRITE: Capability.MANAGE_KEYS,
    Scope.USAGE_READ: Capability.READ_USAGE,
    Scope.BILLING_READ: Capability.MANAGE_BILLING,
    Scope.KEYS_MANAGE: Capability.MANAGE_KEYS,
    Scope.WEBHOOKS_MANAGE: Capability.MANAGE_WEBHOOKS,
}


def scopes_of_role(role: Role) -> tuple[Scope, ...]:
    """Return the scopes that a member with this role may give a key: a key may do no more than its creator."""
    if not has_capability(role, Capability.MANAGE_KEYS):
        return ()
    return tuple(scope for scope in SCOPES_FOR_TENANT_KEYS if has_capability(role, CAPABILITY_OF_SCOPE[scope]))


def validate(names: Iterable[str], *, allowed: Collection[Scope] = SCOPES_FOR_TENANT_KEYS) -> tuple[Scope, ...]:
    """Return the named scopes once each, in the order of `Scope`.

    Raises `InvalidFieldsError` if a name is unknown or not `allowed`, or none is given.
    """
    given = tuple(names)
    known = {scope.value for scope in allowed}
    unknown = tuple(
        FieldError(f"/scopes/{position}", "invalid_scope", f"One of: {', '.join(allowed)}.")
        for position, name in enumerate(given)
        if name not in known
    )
    if unknown:
        raise InvalidFieldsError("A scope is unknown.", field_errors=unknown)
    if not given:
        nothing = FieldError("/scopes", "required", "A key needs at least one scope.")
        raise InvalidFieldsError(nothing.detail, field_errors=(nothing,))
    return tuple(scope for scope in Scope if scope.value in given)
