"""What the services of the catalogue share: naming an event type, and recording a change of staff."""

from collections.abc import Mapping
from datetime import datetime

from accounts.domain.actor import Actor
from accounts.errors import FieldError, InvalidFieldsError
from accounts.services.audit import AuditTarget, record_audit
from metering.models import EventType, Meter, ProductCode


def event_type_named(code: str) -> EventType:
    """Return an event type. Raises `InvalidFieldsError`."""
    found = EventType.objects.filter(code=code).first()
    if found is None:
        unknown = FieldError("/event_type", "unknown_event_type", "No event type has this name.")
        raise InvalidFieldsError(unknown.detail, field_errors=(unknown,))
    return found


def record_change(
    row: EventType | Meter | ProductCode,
    kind: str,
    verb: str,
    *,
    before: Mapping[str, object],
    after: Mapping[str, object],
    actor: Actor,
    as_of: datetime,
) -> None:
    """Record a change of a row of the catalogue, which belongs to no tenant. `verb` is what was done."""
    record_audit(
        actor=actor,
        action=f"{kind}.{verb}",
        tenant_id=None,
        target=AuditTarget(kind, row.pk, row.code),
        before=before,
        after=after,
        as_of=as_of,
    )
