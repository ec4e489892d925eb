"""The transitions between a tenant's statuses."""

from enum import StrEnum
from typing import Final


class TenantStatus(StrEnum):
    """A suspended tenant may read but not use the service; a closed one stays closed."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


TENANT_TRANSITIONS: Final[dict[TenantStatus, frozenset[TenantStatus]]] = {
    TenantStatus.ACTIVE: frozenset({TenantStatus.SUSPENDED, TenantStatus.CLOSED}),
    TenantStatus.SUSPENDED: frozenset({TenantStatus.ACTIVE, TenantStatus.CLOSED}),
    TenantStatus.CLOSED: frozenset(),
}


def statuses_before(status: TenantStatus) -> frozenset[TenantStatus]:
    """Return the statuses from which a tenant may come to `status`."""
    return frozenset(before for before, after in TENANT_TRANSITIONS.items() if status in after)
