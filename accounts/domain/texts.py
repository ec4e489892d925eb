"""Short texts that people give: names, addresses. One line, no character that nobody sees."""

import unicodedata
from typing import Final

from accounts.errors import FieldError

# Control characters, line separators, surrogates and unassigned code points: none belongs in a name.
# Format characters stay, since several scripts need them; those that turn text around do not.
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def line_problem(text: str, *, pointer: str, characters_max: int, is_required: bool = False) -> FieldError | None:
    """Return what is wrong with a line of text, or None. It is measured as given: trim it before."""
    if is_required and not text:
        return FieldError(pointer, "blank", "This may not be empty.")
    if len(text) > characters_max:
        return FieldError(pointer, "too_long", f"At most {characters_max} characters.")
    if any(character in _TURNING or unicodedata.category(character) in _REFUSED_CATEGORIES for character in text):
        return FieldError(pointer, "invalid_characters", "One line, without control characters.")
    return None
