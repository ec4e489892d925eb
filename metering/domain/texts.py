"""Texts that clients send: whether PostgreSQL can store them, and pointers to them in responses."""

from typing import Final

_POINTER_NAME_CHARACTERS_MAX: Final = 100


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL can store `text`: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def pointer_part(name: str) -> str:
    """Return a member's name as a part of a JSON Pointer, shortened if it is too long."""
    cut = name[:_POINTER_NAME_CHARACTERS_MAX]
    sound = cut.encode("utf-8", "replace").decode()
    return sound.replace("~", "~0").replace("/", "~1")
