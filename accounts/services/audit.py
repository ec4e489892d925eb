"""The audit log: each change by whom, on what, before and after, from where. Never a secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from accounts.domain.actor import Actor
from accounts.domain.plain import to_plain
from accounts.errors import PermissionMissingError
from accounts.models import AuditEntry

# What no entry may hold under any name; a service that passes one has a mistake.
SECRET_NAMES: Final = frozenset({"secret", "digest", "token", "token_digest", "password"})
_LABEL_CHARACTERS_MAX: Final = 254


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """What was changed: its kind, its id, and the name that people know it by."""

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

    Every change comes through here, so staff who view as a customer are stopped here, whatever page let them in.

    Raises `PermissionMissingError` for them.
    """
    if actor.is_viewing:
        raise PermissionMissingError("While you view as a customer, nothing can be changed.")
    before, after = before or {}, after or {}
    assert not SECRET_NAMES & (set(before) | set(after)), "a secret is not for the audit log"
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
