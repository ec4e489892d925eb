"""The order in which the characters of a line are printed, for names in Arabic or Hebrew beside others.

Unicode Standard Annex 9 as python-bidi implements it. Only mirroring (L4) is left to the caller.
"""

import unicodedata
from itertools import groupby
from typing import Final

from bidi import get_display
from bidi.mirror import MIRRORED

# A mark goes with the bracket before it (W1, N0), so it shows on which side that is read from.
_PROBE: Final = "\u1dff"
_FIRST_STRONG: Final = "\u2068"
_POP: Final = "\u2069"
_LETTERS: Final = frozenset({"R", "AL"})
_UNSEEN: Final = dict.fromkeys(map(ord, (_FIRST_STRONG, _POP)))
_MARKS: Final = frozenset({"Mn", "Mc", "Cf"})
# Of Latin, Greek and Cyrillic letters; Hebrew and Arabic have their own.
_ACCENTS: Final = range(0x0300, 0x0370)


def seen_from_the_left(text: str) -> str:
    """Return a line with its characters in visual order from the left, and with brackets mirrored if needed."""
    if text.isascii():
        return text
    probed = "".join(
        character + _PROBE if character in MIRRORED else character for character in text.replace(_PROBE, "")
    )
    seen: list[str] = []
    characters = iter(get_display(probed))
    for character in characters:
        if character == _PROBE:
            seen.append(MIRRORED[next(characters)])
            continue
        seen.append(character)
        if character in MIRRORED:
            next(characters)
    return "".join(seen).translate(_UNSEEN)


def isolated(text: str) -> str:
    """Return a text isolated for a longer line, so that neither changes the order of the other."""
    return text if text.isascii() else f"{_FIRST_STRONG}{text}{_POP}"


def visual_runs(text: str) -> list[tuple[str, bool]]:
    """Split one line into runs in visual order from the left.

    Each is in reading order, with whether it is read from the right: letters of Arabic, Hebrew and their like with
    their marks. The characters between words are a run of their own.
    """
    runs = []
    for is_turned, group in groupby(_with_side(seen_from_the_left(text)), key=lambda pair: pair[1]):
        run = "".join(character for character, _ in group)
        runs.append((run[::-1] if is_turned else run, is_turned))
    return runs


def _with_side(seen: str) -> list[tuple[str, bool]]:
    """Return each character with whether it is read from the right. A mark is read as its letter is."""
    sides: list[tuple[str, bool]] = []
    is_turned = False
    # A mark is printed left of a letter that is read from the right, so from the right the letter comes first.
    for character in reversed(seen):
        if unicodedata.category(character) not in _MARKS:
            is_turned = unicodedata.bidirectional(character) in _LETTERS
        elif ord(character) in _ACCENTS:
            is_turned = False
        sides.append((character, is_turned))
    return sides[::-1]
