"""Create and rename event types. They are never deleted: the ledger refers to them by code."""

from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.codes import code_errors
from metering.domain.meter_terms import NAME_CHARACTERS_MAX
from metering.errors import CodeTakenError
from metering.models import EventType
from metering.selectors.catalog import forget_catalog
from metering.services.catalog_changes import record_change

_KIND: Final = "event_type"


def create_event_type(*, code: str, name: str, actor: Actor, as_of: datetime, description: str = "") -> EventType:
    """Create an event type. Clients may send it within a second. Raises `InvalidFieldsError`, `CodeTakenError`."""
    _check(*code_errors(code), *_name_errors(name))
    after = {"name": name.strip(), "description": description}
    with transaction.atomic():
        try:
            with transaction.atomic():
                event_type = EventType.objects.create(code=code, created_at=as_of, **after)
        except IntegrityError as error:
            raise CodeTakenError(f"The event type {code} already exists.") from error
        record_change(event_type, _KIND, "created", before={}, after={"code": code, **after}, actor=actor, as_of=as_of)
    forget_catalog()
    return event_type


def update_event_type(
    *, event_type: EventType, name: str, description: str, actor: Actor, as_of: datetime
) -> EventType:
    """Change the name and description of an event type; its code stays. Raises `InvalidFieldsError`."""
    _check(*_name_errors(name))
    with transaction.atomic():
        current = EventType.objects.select_for_update().get(pk=event_type.pk)
        wanted = {"name": name.strip(), "description": description}
        after = {field: value for field, value in wanted.items() if getattr(current, field) != value}
        if after:
            before: dict[str, object] = {field: getattr(current, field) for field in after}
            EventType.objects.filter(pk=current.pk).update(**after)
            record_change(current, _KIND, "updated", before=before, after=after, actor=actor, as_of=as_of)
            current.refresh_from_db()
    return current


def _name_errors(name: str) -> list[FieldError]:
    if 1 <= len(name.strip()) <= NAME_CHARACTERS_MAX:
        return []
    return [FieldError("/name", "invalid_name", f"A name has 1 to {NAME_CHARACTERS_MAX} characters.")]


def _check(*found: FieldError) -> None:
    if found:
        raise InvalidFieldsError("The event type cannot be saved.", field_errors=found)
