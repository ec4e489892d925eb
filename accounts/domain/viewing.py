"""Viewing as a customer: which member of which tenant, by whom, why, and until when.

It is stored in the session of the member of staff, who stays signed in as themselves. Tenant and role are part of it,
so that a viewing shows one tenant, whatever other tenants the member belongs to.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from accounts.domain.plain import to_plain
from accounts.domain.roles import Role


class ViewingEnd(StrEnum):
    """How a viewing ended, in the words of the tenant's audit log."""

    STOPPED = "stopped by staff"
    TIME = "time ran out"
    STAFF = "staff member may no longer view"
    MEMBER = "member may no longer be viewed"


@dataclass(frozen=True, slots=True)
class Viewing:
    """One viewing. `role` is the member's role when it began: it may become lower, but not higher."""

    id: UUID
    tenant_id: UUID
    membership_id: int
    member_label: str
    role: Role
    staff_id: int
    staff_label: str
    reason: str
    began_at: datetime
    ends_at: datetime

    def as_facts(self) -> dict[str, Any]:
        """Return the viewing as plain JSON, for a session or an audit entry."""
        return {name: to_plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Viewing":
        """Return the viewing that `as_facts` described."""
        return cls(
            id=UUID(facts["id"]),
            tenant_id=UUID(facts["tenant_id"]),
            membership_id=facts["membership_id"],
            member_label=facts["member_label"],
            role=Role(facts["role"]),
            staff_id=facts["staff_id"],
            staff_label=facts["staff_label"],
            reason=facts["reason"],
            began_at=datetime.fromisoformat(facts["began_at"]),
            ends_at=datetime.fromisoformat(facts["ends_at"]),
        )

    def lasted_until(self, as_of: datetime) -> str:
        """Return how long it had lasted at `as_of`, or at its latest end if that came first, as text for a reader."""
        lasted = max(min(as_of, self.ends_at) - self.began_at, timedelta(0))
        minutes, seconds = divmod(int(lasted.total_seconds()), 60)
        return f"{minutes} min {seconds} s"
