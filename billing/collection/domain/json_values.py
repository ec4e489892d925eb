"""Reads of a provider's JSON; a value of another type than the requested one reads as missing. Pure."""

from collections.abc import Mapping
from uuid import UUID

Json = Mapping[str, object]


def inner(node: Json, name: str) -> Json:
    """Return an inner object, or an empty one."""
    value = node.get(name)
    return value if isinstance(value, Mapping) else {}


def items(node: Json, name: str) -> list[Json]:
    """Return the objects of an inner list."""
    value = node.get(name)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def text(node: Json, name: str) -> str:
    """Return a text, or an empty one."""
    value = node.get(name)
    return value if isinstance(value, str) else ""


def uuid_or_none(value: str) -> UUID | None:
    """Return a UUID that we wrote into the provider's object, or None."""
    try:
        return UUID(value)
    except ValueError:
        return None


def whole_or_none(value: str) -> int | None:
    """Return a whole number that we wrote into the provider's object, or None."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None  # noqa: PLR2004 - of a bigint


def storable(value: object) -> object:
    """Return JSON with characters that PostgreSQL cannot store (NUL, half of a surrogate pair) replaced by U+FFFD."""
    if isinstance(value, str):
        return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, Mapping):
        return {str(storable(name)): storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value
