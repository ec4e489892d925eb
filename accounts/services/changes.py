"""Changes of a row's settings by name, of which those that change nothing leave no trace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model


@dataclass(frozen=True, slots=True)
class Changed:
    """The settings that are another now: what they were, and what they are."""

    before: dict[str, Any]
    after: dict[str, Any]

    def __bool__(self) -> bool:
        return bool(self.after)


def differing(row: Model, settings: Mapping[str, Any]) -> Changed:
    """Return those of `settings` that the row does not have yet."""
    after = {name: value for name, value in settings.items() if getattr(row, name) != value}
    return Changed({name: getattr(row, name) for name in after}, after)


def update_changed(row: Model, changed: Changed) -> None:
    """Update a locked row with what differs, and read it again."""
    if changed:
        type(row)._default_manager.filter(pk=row.pk).update(**changed.after)  # noqa: SLF001 - Django documents it
        row.refresh_from_db()
