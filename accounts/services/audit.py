"""The audit log: the actor, the target, the values before and after, and the address of each change. No secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from accounts.domain.actor import Actor
from accounts.domain.plain import to_plain
from accounts.errors import PermissionMissingError
from accounts.models import AuditEntry

# Names that no entry may contain; a service that passes one has an error.
SECRET_NAMES: Final = frozenset({"secret", "digest", "token", "token_digest", "password"})
_LABEL_CHARACTERS_MAX: Final = 254


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """The changed object: its kind, its id, and its name for people."""

    kind: str
    id: object
    label: str


def record_audit(
    *,
    actor: Actor,
    action: str,
    tenant_id: UUID | None,
    target: AuditTarget,
    as_of: datetime,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> AuditEntry:
    """Add one entry, in the transaction of the change itself.

    Every change passes through here, so staff who view as a customer are stopped here, whichever page they use.

    Raises `PermissionMissingError` for them.
    """
    if actor.is_viewing:
        raise PermissionMissingError("You cannot change anything while you view as a customer.")
    before, after = before or {}, after or {}
    assert not SECRET_NAMES & (set(before) | set(after)), "the audit log holds no secrets"
    return AuditEntry.objects.create(
        tenant_id=tenant_id,
        actor_kind=actor.kind,
        actor_user_id=actor.user_id,
        actor_label=actor.label[:_LABEL_CHARACTERS_MAX],
        action=action,
        target_kind=target.kind,
        target_id=str(target.id),
        target_label=target.label[:_LABEL_CHARACTERS_MAX],
        before=to_plain(before),
        after=to_plain(after),
        ip=actor.ip,
        request_id=actor.request_id,
        occurred_at=as_of,
    )
