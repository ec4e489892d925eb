"""The actor of a change, and the address it came from, for the audit log."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from accounts.domain.roles import Role

SYSTEM_LABEL = "system"


class ActorKind(StrEnum):
    """The kinds of actors."""

    MEMBER = "member"
    STAFF = "staff"
    API_KEY = "api_key"
    SYSTEM = "system"
    VISITOR = "visitor"


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or program that acts.

    `role` is set if a member acts, and limits what the services allow. `user_id` is set for a person, `key_id` for a
    key. `label` is what a reader of the log sees, also years later.
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
        """Return whether this is staff who view as a customer, and so may change nothing."""
        return self.kind is ActorKind.STAFF and self.role is not None

    @classmethod
    def viewing(cls, *, user_id: int, label: str, role: Role, ip: str | None = None, request_id: str = "") -> "Actor":
        """Return a member of staff who views as a member with this role."""
        return cls(ActorKind.STAFF, label, user_id=user_id, role=role, ip=ip, request_id=request_id)

    @classmethod
    def member(
        cls, *, user_id: int, label: str, role: Role | None = None, ip: str | None = None, request_id: str = ""
    ) -> "Actor":
        """Return a member of a tenant; without a role if the person is about to become one."""
        return cls(ActorKind.MEMBER, label, user_id=user_id, role=role, ip=ip, request_id=request_id)

    @classmethod
    def staff(cls, *, user_id: int, label: str, ip: str | None = None, request_id: str = "") -> "Actor":
        """Return a member of staff."""
        return cls(ActorKind.STAFF, label, user_id=user_id, ip=ip, request_id=request_id)

    @classmethod
    def api_key(cls, *, key_id: UUID, label: str, ip: str | None = None, request_id: str = "") -> "Actor":
        """Return a program with a key."""
        return cls(ActorKind.API_KEY, label, key_id=key_id, ip=ip, request_id=request_id)

    @classmethod
    def system(cls, label: str = SYSTEM_LABEL) -> "Actor":
        """Return a schedule or a command."""
        return cls(ActorKind.SYSTEM, label)
