"""Who makes a change, and from where: what the audit log says of it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from accounts.domain.roles import Role

SYSTEM_LABEL = "system"


class ActorKind(StrEnum):
    """Who acts."""

    MEMBER = "member"
    STAFF = "staff"
    API_KEY = "api_key"
    SYSTEM = "system"
    VISITOR = "visitor"


@dataclass(frozen=True, slots=True)
class Actor:
    """One who acts.

    `role` is set where a member acts, and bounds what the services let through; `user_id` is a
    person's; `key_id` a key's. `label` is what a reader of the log sees, also years later.
    """

    kind: ActorKind
    label: str
    user_id: int | None = None
    key_id: UUID | None = None
    role: Role | None = None
    ip: str | None = None
    request_id: str = ""

    @property
    def is_viewing(self) -> bool:
        """Whether this is staff who view as a customer, and so may change nothing."""
        return self.kind is ActorKind.STAFF and self.role is not None

    @classmethod
    def viewing(cls, *, user_id: int, label: str, role: Role, ip: str | None = None, request_id: str = "") -> "Actor":
        """One of the operator's people who views as a member with this role."""
        return cls(ActorKind.STAFF, label, user_id=user_id, role=role, ip=ip, request_id=request_id)

    @classmethod
    def member(
        cls, *, user_id: int, label: str, role: Role | None = None, ip: str | None = None, request_id: str = ""
    ) -> "Actor":
        """A member of a tenant; without a role where somebody is about to become one."""
        return cls(ActorKind.MEMBER, label, user_id=user_id, role=role, ip=ip, request_id=request_id)

    @classmethod
    def staff(cls, *, user_id: int, label: str, ip: str | None = None, request_id: str = "") -> "Actor":
        """One of the operator's people."""
        return cls(ActorKind.STAFF, label, user_id=user_id, ip=ip, request_id=request_id)

    @classmethod
    def api_key(cls, *, key_id: UUID, label: str, ip: str | None = None, request_id: str = "") -> "Actor":
        """A program with a key."""
        return cls(ActorKind.API_KEY, label, key_id=key_id, ip=ip, request_id=request_id)

    @classmethod
    def system(cls, label: str = SYSTEM_LABEL) -> "Actor":
        """A schedule or a command."""
        return cls(ActorKind.SYSTEM, label)
