"""In which order the characters of a line stand on paper: names in Arabic or Hebrew beside others.

Source: Unicode Standard Annex 9, rules P2-P3, W1-W7, N1-N2, I1-I2 and L1-L2, without explicit formatting characters,
which names may not hold (`accounts.domain.texts`), and without paired brackets (N0).
"""

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import Final

_STRONG: Final = frozenset({"L", "R", "AL"})
_NEUTRAL: Final = frozenset({"B", "S", "WS", "ON"})
_IGNORED: Final = frozenset({"BN", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def visual_runs(text: str) -> list[tuple[str, bool]]:
    """Cut one line into runs of one direction, in the order in which they are seen from the left.

    Each is in reading order, with whether it is read from the right.
    """
    if text.isascii():
        return [(text, False)] if text else []
    levels = _levels(text)
    runs = [
        ([position for position, _ in group], level)
        for level, group in groupby(enumerate(levels), key=lambda pair: pair[1])
    ]
    highest = max(levels, default=0)
    for level in range(highest, 0, -1):
        runs = _reversed_from(runs, level)
    return [("".join(text[position] for position in positions), bool(level % 2)) for positions, level in runs]


def is_right_to_left(text: str) -> bool:
    """Whether the first letter that has a direction is written from the right."""
    first = next((kind for kind in map(unicodedata.bidirectional, text) if kind in _STRONG), "L")
    return first != "L"


def _reversed_from(runs: list[tuple[list[int], int]], level: int) -> list[tuple[list[int], int]]:
    """Turn each stretch of runs of at least this level around."""
    turned: list[tuple[list[int], int]] = []
    for is_high, group in groupby(runs, key=lambda run: run[1] >= level):
        stretch = list(group)
        turned += reversed(stretch) if is_high else stretch
    return turned


def _levels(text: str) -> list[int]:
    base = int(is_right_to_left(text))
    original = [unicodedata.bidirectional(character) or "L" for character in text]
    kinds = ["ON" if kind in _IGNORED else kind for kind in original]
    kinds = _resolve_neutral(_resolve_weak(kinds, base), base)
    levels = [_level(kind, base) for kind in kinds]
    # L1: spaces at the end of a line stay at its end.
    for position in range(len(text) - 1, -1, -1):
        if original[position] not in _NEUTRAL - {"ON"} | _IGNORED:
            break
        levels[position] = base
    return levels


def _level(kind: str, base: int) -> int:
    if base:
        return 1 if kind == "R" else 2
    return {"L": 0, "R": 1}.get(kind, 2)


def _resolve_weak(kinds: Sequence[str], base: int) -> list[str]:
    start = "R" if base else "L"
    resolved: list[str] = []
    strong = start
    for kind in kinds:  # W1, W2, W3
        if kind == "NSM":
            kind = resolved[-1] if resolved else start  # noqa: PLW2901 - a mark is what it stands on
        if kind in _STRONG:
            strong = kind
        resolved.append("AN" if kind == "EN" and strong == "AL" else kind)
    resolved = ["R" if kind == "AL" else kind for kind in resolved]
    for position in range(1, len(resolved) - 1):  # W4
        before, kind, after = resolved[position - 1 : position + 2]
        if before == after and ((kind in {"ES", "CS"} and before == "EN") or (kind == "CS" and before == "AN")):
            resolved[position] = before
    resolved = _join_terminators(resolved)
    strong = start
    for position, kind in enumerate(resolved):  # W6, W7
        if kind in {"ES", "ET", "CS"}:
            resolved[position] = "ON"
        elif kind in {"L", "R"}:
            strong = kind
        elif kind == "EN" and strong == "L":
            resolved[position] = "L"
    return resolved


def _join_terminators(kinds: Sequence[str]) -> list[str]:
    """W5: signs such as % and € go with the number beside them."""
    joined: list[str] = []
    groups = [(kind, len(list(group))) for kind, group in groupby(kinds)]
    for position, (kind, length) in enumerate(groups):
        beside = {groups[near][0] for near in (position - 1, position + 1) if 0 <= near < len(groups)}
        joined += ["EN" if kind == "ET" and "EN" in beside else kind] * length
    return joined


def _resolve_neutral(kinds: Sequence[str], base: int) -> list[str]:
    """N1, N2: what stands between two of one direction goes with them, else with the line."""
    start = "R" if base else "L"
    resolved: list[str] = []
    position = 0
    while position < len(kinds):
        end = position
        while end < len(kinds) and kinds[end] in _NEUTRAL:
            end += 1
        if end == position:
            resolved.append(kinds[position])
            position += 1
            continue
        before = _side(resolved[-1]) if resolved else start
        after = _side(kinds[end]) if end < len(kinds) else start
        resolved += [before if before == after else start] * (end - position)
        position = end
    return resolved


def _side(kind: str) -> str:
    return "L" if kind == "L" else "R"
