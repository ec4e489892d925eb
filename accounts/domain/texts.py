"""Short texts that people type: names, addresses. One line, without invisible characters."""

import re
import unicodedata
from typing import Final

from accounts.errors import FieldError

# Control characters, line separators, surrogates and unassigned code points: none belongs in a name.
# Format characters stay, since several scripts need them; those that turn text around do not.
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_UNSEEN: Final = "ZC"  # separators, and control and format characters
_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\N{MINUS SIGN}")
_CELL_ENDS: Final = ("\t", "\r", "\n")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def line_problem(text: str, *, pointer: str, characters_max: int, is_required: bool = False) -> FieldError | None:
    """Return the error in a line of text, or None. The text is measured as given: trim it first."""
    if is_required and not text:
        return FieldError(pointer, "blank", "This may not be empty.")
    if len(text) > characters_max:
        return FieldError(pointer, "too_long", f"At most {characters_max} characters.")
    if any(character in _TURNING or unicodedata.category(character) in _REFUSED_CATEGORIES for character in text):
        return FieldError(pointer, "invalid_characters", "One line, without control characters.")
    return None


def without_formula(text: str) -> str:
    """Return the text for a cell of a spreadsheet: a text that would run as a formula gets an apostrophe in front.

    Leading blanks do not make it harmless, nor do the full-width signs of Asian keyboards. A line feed, a return or a
    tab may begin a new cell. A negative number stays as it is.
    """
    if _NUMBER.fullmatch(text):
        return text
    first = next((character for character in text if unicodedata.category(character)[0] not in _UNSEEN), "")
    is_computed = unicodedata.normalize("NFKC", first).startswith(_FORMULA_SIGNS) or text.startswith(_CELL_ENDS)
    return f"'{text}" if is_computed else text
