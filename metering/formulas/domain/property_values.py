"""Properties of events as PostgreSQL reads them: the text of a value, and the number in it.

Values are compared and grouped by the text that `->>` returns. One regular expression, the same in SQL, decides which
texts are numeric.
"""

import re
from decimal import Decimal
from typing import Final

PropertyValue = str | int | Decimal | bool | None
NUMERIC_TEXT_PATTERN: Final = r"[0-9]{1,20}(\.[0-9]{1,9})?"
_NUMERIC_TEXT: Final = re.compile(NUMERIC_TEXT_PATTERN, re.ASCII)
_NOTHING: Final = Decimal(0)


def text_of(value: PropertyValue) -> str | None:
    """Return a property as PostgreSQL's `->>` does: None for null and for an absent property."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal_text(value)


def decimal_text(value: int | Decimal) -> str:
    """Return a number without an exponent, as PostgreSQL prints a numeric."""
    if isinstance(value, int):
        return str(value)
    return format(value or value.copy_abs(), "f")


def number_in(value: PropertyValue) -> Decimal | None:
    """Return the number in a property, or None if there is none. Usage falls by a void only, so below 0 is 0."""
    number = signed_number_in(value)
    return None if number is None else max(number, _NOTHING)


def signed_number_in(value: PropertyValue) -> Decimal | None:
    """Return the number in a property as it was sent, or None if there is none. A text has no sign."""
    if isinstance(value, str):
        return Decimal(value) if _NUMERIC_TEXT.fullmatch(value) else None
    return None if value is None or isinstance(value, bool) else Decimal(value)
