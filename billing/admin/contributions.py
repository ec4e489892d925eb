"""Rows that an app above shows on pages of this one, without this one knowing of it."""

from typing import Any

from django.contrib.admin.options import InlineModelAdmin
from django.db.models import Model

Inline = type["InlineModelAdmin[Any, Any]"]
_CONTRIBUTED: dict[type[Model], list[Inline]] = {}


def show_on_page_of(model: type[Model], inline: Inline) -> None:
    """Show rows beside each object of the model that has some."""
    _CONTRIBUTED.setdefault(model, []).append(inline)


def contributed_inlines(obj: Model | None) -> list[Inline]:
    """Return the contributed tables that have rows for this object."""
    if obj is None:
        return []
    named = obj._meta.model_name  # noqa: SLF001 - Django documents it
    inlines = _CONTRIBUTED.get(type(obj), [])
    return [inline for inline in inlines if inline.model._default_manager.filter(**{str(named): obj}).exists()]  # noqa: SLF001 - as above
