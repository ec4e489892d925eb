"""An upper bound on the number of values in a JSON text, found before the text is decoded.

Each value but the outermost follows a comma or an opening bracket, so counting these bounds the values. It takes a few
passes over the bytes, whatever they are. Text that is not JSON is counted too, and refused by the decoder.
"""

from typing import Final

_MARKS: Final = (b",", b"[", b"{")
_QUOTES_PER_VALUE_MAX: Final = 4  # two around its name, two around itself


def holds_more_values(text: bytes, values_max: int) -> bool:
    """Return whether the text may hold more than `values_max` values. Marks within strings do not count."""
    if _marks_in(text) < values_max:
        return False
    # Cut at its quotes, a text alternates between strings and what is between them.
    unescaped = text.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > values_max * _QUOTES_PER_VALUE_MAX:
        return True
    return _marks_in(b" ".join(unescaped.split(b'"')[::2])) >= values_max


def _marks_in(text: bytes) -> int:
    return sum(text.count(mark) for mark in _MARKS)
