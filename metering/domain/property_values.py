"""Properties of events as PostgreSQL reads them: the text of a value, and the number in it.

Values are compared and grouped by the text that `->>` returns. One regular expression, the same in SQL, decides which
texts are numeric.
"""

import re
from decimal import Decimal
from typing import Final

from metering.domain.canonical import PropertyValue, decimal_text

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


def numeric_value(value: PropertyValue) -> Decimal:
    """Return the number in a property, or 0 if there is none. Usage falls by a void only, so below 0 is 0."""
    if isinstance(value, str):
        return Decimal(value) if _NUMERIC_TEXT.fullmatch(value) else _NOTHING
    if value is None or isinstance(value, bool):
        return _NOTHING
    return max(Decimal(value), _NOTHING)
