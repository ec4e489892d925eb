"""Labels of keys, by which people sort them: an environment and some tags. They decide nothing. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from accounts.errors import FieldError, InvalidFieldsError

CHARACTERS_MAX: Final = 30
TAGS_MAX: Final = 10
_SHAPE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,29}", re.ASCII)
_EXPECTED: Final = "At most 30 letters, digits, dots, dashes and underscores, a letter or digit first."


@dataclass(frozen=True, slots=True)
class KeyLabels:
    """The environment, empty if none is given, and the tags in the order in which they were given."""

    environment: str = ""
    tags: tuple[str, ...] = ()


def checked_labels(*, environment: str, tags: Sequence[str]) -> KeyLabels:
    """Return the labels in lower case, each tag once. Raises `InvalidFieldsError`."""
    named = environment.strip().lower()
    lowered = list(dict.fromkeys(tag.strip().lower() for tag in tags))
    refused = [FieldError("/environment", "invalid_label", _EXPECTED)] if named and not _SHAPE.fullmatch(named) else []
    refused += [
        FieldError(f"/tags/{position}", "invalid_label", _EXPECTED)
        for position, tag in enumerate(lowered)
        if not _SHAPE.fullmatch(tag)
    ]
    if len(lowered) > TAGS_MAX:
        refused.append(FieldError("/tags", "too_many", f"At most {TAGS_MAX} tags."))
    if refused:
        raise InvalidFieldsError(refused[0].detail, field_errors=tuple(refused))
    return KeyLabels(named, tuple(lowered))
