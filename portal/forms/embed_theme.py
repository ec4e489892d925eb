"""The look of an embedded page, from its query: every value is checked, and only checked values reach a style sheet."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from accounts.domain.mail_form import contrast_of
from accounts.errors import FieldError, InvalidFieldsError

MODES: Final = ("auto", "light", "dark")
SIZE_MIN: Final = 12
SIZE_MAX: Final = 22
_SIZE: Final = 16
_COLOUR: Final = re.compile(r"#?([0-9a-fA-F]{6})", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,2}", re.ASCII)
_CONTRAST_MIN: Final = Decimal("4.5")
# The surfaces of the portal's style sheet, which an accent must be readable on.
_SURFACES: Final = {"accent": "#ffffff", "accent_dark": "#151e1a"}
_DARK: Final = '@media (prefers-color-scheme: dark){{:root:not([data-theme="light"]){{--accent:{0}}}}}'


@dataclass(frozen=True, slots=True)
class EmbedTheme:
    """The accent on light and on dark, each empty or as `#0b5d47`, the font size in pixels, and the mode."""

    accent: str = ""
    accent_dark: str = ""
    size: int = _SIZE
    mode: str = "auto"

    @property
    def query(self) -> str:
        """Return the theme as a query."""
        given = {"accent": self.accent, "accent_dark": self.accent_dark, "size": str(self.size), "mode": self.mode}
        return urlencode({name: value.removeprefix("#") for name, value in given.items() if value})

    @property
    def css(self) -> str:
        """Return the style sheet of the theme. Only checked values are in it."""
        rules = [f":root{{font-size:{self.size}px}}"]
        if self.accent:
            rules.append(f":root{{--accent:{self.accent}}}")
        if self.accent_dark:
            rules += [_DARK.format(self.accent_dark), f':root[data-theme="dark"]{{--accent:{self.accent_dark}}}']
        elif self.accent:
            rules.append(f':root[data-theme="light"]{{--accent:{self.accent}}}')
        return "\n".join(rules)


def read_theme(query: Mapping[str, str]) -> EmbedTheme:
    """Return the theme of a query. Raises `InvalidFieldsError` for a value that is none, or a colour hard to read."""
    mode, size = query.get("mode", "auto"), query.get("size", str(_SIZE))
    if mode not in MODES:
        _refuse("mode", f"One of: {', '.join(MODES)}.")
    if not _NUMBER.fullmatch(size) or not SIZE_MIN <= int(size) <= SIZE_MAX:
        _refuse("size", f"{SIZE_MIN} to {SIZE_MAX} pixels.")
    return EmbedTheme(_colour(query, "accent"), _colour(query, "accent_dark"), int(size), mode)


def _colour(query: Mapping[str, str], name: str) -> str:
    given = query.get(name, "")
    if not given:
        return ""
    found = _COLOUR.fullmatch(given)
    if found is None:
        _refuse(name, "Six hexadecimal digits, such as 0b5d47.")
        return ""
    colour = f"#{found[1].lower()}"
    if contrast_of(colour, _SURFACES[name]) < _CONTRAST_MIN:
        _refuse(name, "This colour is hard to read on the page.")
    return colour


def _refuse(name: str, detail: str) -> None:
    raise InvalidFieldsError(f"{name}: {detail}", field_errors=(FieldError(f"/{name}", f"invalid_{name}", detail),))
