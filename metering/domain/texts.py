"""Texts that clients send: what PostgreSQL can hold of them, and how an answer points at them."""

from typing import Final

_POINTER_NAME_CHARACTERS_MAX: Final = 100


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL can hold `text`: no NUL, no lone surrogate."""
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
    """Return a member's name as a part of a JSON Pointer, cut where it is absurdly long."""
    cut = name[:_POINTER_NAME_CHARACTERS_MAX]
    sound = cut.encode("utf-8", "replace").decode()
    return sound.replace("~", "~0").replace("/", "~1")
