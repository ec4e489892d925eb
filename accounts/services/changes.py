"""Changes of a row's settings by name. A setting that stays the same leaves no trace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model


@dataclass(frozen=True, slots=True)
class Changed:
    """The changed settings: their values before and after."""

    before: dict[str, Any]
    after: dict[str, Any]

    def __bool__(self) -> bool:
        return bool(self.after)


def differing(row: Model, settings: Mapping[str, Any]) -> Changed:
    """Return the `settings` that differ from the row's."""
    after = {name: value for name, value in settings.items() if getattr(row, name) != value}
    return Changed({name: getattr(row, name) for name in after}, after)


def update_changed(row: Model, changed: Changed) -> None:
    """Update a locked row with the changed settings, and reload it."""
    if changed:
        type(row)._default_manager.filter(pk=row.pk).update(**changed.after)  # noqa: SLF001 - Django documents it
        row.refresh_from_db()
