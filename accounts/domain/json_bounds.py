"""How much a JSON text holds, found before it is decoded: no object is made of a text that holds too much.

Each value but the outermost stands behind a comma or an opening bracket, so counting these bounds the values. It costs
a few passes over the bytes, whatever they are; what is no JSON is counted all the same, and refused by the decoder.
"""

from typing import Final

_MARKS: Final = (b",", b"[", b"{")
_QUOTES_PER_VALUE_MAX: Final = 4  # two around its name, two around itself


def holds_more_values(text: bytes, values_max: int) -> bool:
    """Return whether the text may hold more than `values_max` values. Marks within strings do not count."""
    if _marks_in(text) < values_max:
        return False
    # A text that is cut at its quotes consists of strings and what is between them, by turns.
    unescaped = text.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > values_max * _QUOTES_PER_VALUE_MAX:
        return True
    return _marks_in(b" ".join(unescaped.split(b'"')[::2])) >= values_max


def _marks_in(text: bytes) -> int:
    return sum(text.count(mark) for mark in _MARKS)
