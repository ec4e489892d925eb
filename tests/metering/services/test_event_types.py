"""Event types: created once, and renamed afterwards."""

from datetime import UTC, datetime

import pytest

from accounts.domain.actor import Actor
from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from metering.errors import CodeTakenError
from metering.models import EventType
from metering.selectors.catalog import known_event_types
from metering.services.event_types import create_event_type, update_event_type

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
OPERATOR = Actor.system("operator")

pytestmark = pytest.mark.django_db


def create(code: str = "tokens", name: str = "Tokens") -> EventType:
    return create_event_type(code=code, name=name, actor=OPERATOR, as_of=NOW)


def test_an_event_type_is_known_at_once() -> None:
    create()
    assert "tokens" in known_event_types()
    assert AuditEntry.objects.get(action="event_type.created").after["name"] == "Tokens"


@pytest.mark.parametrize(("code", "name"), [("With Blanks", "x"), ("", "x"), ("tokens", " "), ("tokens", "x" * 121)])
def test_an_invalid_event_type_is_refused_by_the_service(code: str, name: str) -> None:
    with pytest.raises(InvalidFieldsError):
        create(code, name)


def test_the_code_of_an_event_type_is_given_once() -> None:
    create()
    with pytest.raises(CodeTakenError):
        create()


def test_only_changes_of_an_event_type_are_recorded() -> None:
    event_type = create()
    for name in ("Tokens", "Tokens used"):
        update_event_type(event_type=event_type, name=name, description="", actor=OPERATOR, as_of=NOW)
    [entry] = AuditEntry.objects.filter(action="event_type.updated")
    assert (entry.before, entry.after) == ({"name": "Tokens"}, {"name": "Tokens used"})
    with pytest.raises(InvalidFieldsError):
        update_event_type(event_type=event_type, name="", description="", actor=OPERATOR, as_of=NOW)
