"""The form of mails: styles that every mail program shows, and HTML of a plain text. Pure.

Mail programs drop style sheets in part, so each element carries its own style; the layout's style sheet only changes
colours for dark programs and widths for phones.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Final

from accounts.errors import FieldError, InvalidFieldsError

COLOUR: Final = "#1d4d3a"
COLOUR_FORM: Final = re.compile(r"#[0-9a-f]{6}")
CONTRAST_MIN: Final = Decimal("4.5")
_SHARES: Final = (Decimal("0.2126"), Decimal("0.7152"), Decimal("0.0722"))  # of red, green and blue
_FLARE: Final = Decimal("0.05")
_MUTED: Final = "margin:0 0 8px;font-size:14px;color:#55534d"
_STYLES: Final = {
    "h1": "margin:0 0 16px;font-size:22px;line-height:1.3",
    "p": "margin:0 0 16px",
    "p.muted": _MUTED,
    "p.address": f"{_MUTED};word-break:break-all",
    "p.action": "margin:8px 0 24px",
    "a.button": "display:inline-block;padding:12px 20px;border-radius:6px;text-decoration:none;color:#fff;background:",
}
_ELEMENT: Final = re.compile(r'<(h1|p|a)(?: class="(\w+)")?(?=[ >])')
_ADDRESS: Final = re.compile(r"https?://[^\s<>&\"]+(?:&amp;[^\s<>&\"]+)*")


@dataclass(frozen=True, slots=True)
class MailFoot:
    """Why a person gets a mail, and the address that stops such mails: empty for a mail that must come."""

    reason: str
    stop_url: str = ""


def styled(fragment: str, colour: str) -> str:
    """Return the fragment with the style of each heading, paragraph and button in its element."""

    def with_style(found: re.Match[str]) -> str:
        name, kind = found[1], found[2]
        style = _STYLES.get(f"{name}.{kind}" if kind else name, "")
        style += colour if kind == "button" else ""
        return f'{found[0]} style="{style}"' if style else found[0]

    return _ELEMENT.sub(with_style, fragment)


def html_of_text(text: str) -> str:
    """Return a plain text as paragraphs, with its addresses as links."""
    paragraphs = (escape(one.strip(), quote=False) for one in text.strip().split("\n\n"))
    linked = (_ADDRESS.sub(lambda found: f'<a href="{found[0]}">{found[0]}</a>', one) for one in paragraphs if one)
    return "\n".join(f"<p>{one}</p>" for one in linked).replace("\r", "").replace("\n</p>", "</p>")


def with_foot(text: str, foot: MailFoot, footer: str) -> str:
    """Return the plain text with the reason, the way to stop such mails, and the seller's footer."""
    stop = f"Stop mails of this kind: {foot.stop_url}" if foot.stop_url else ""
    below = "\n".join(line for line in (foot.reason, stop, footer.strip()) if line)
    return f"{text.rstrip()}\n\n-- \n{below}\n" if below else text


def checked_colour(colour: str) -> str:
    """Return the colour in small letters. Raises `InvalidFieldsError` unless white text on it can be read."""
    colour = colour.strip().lower()
    if not COLOUR_FORM.fullmatch(colour):
        _refuse("Write the colour as # and six digits, such as #1d4d3a.")
    if contrast_with_white(colour) < CONTRAST_MIN:
        _refuse("White text on this colour is hard to read: choose a darker one.")
    return colour


def contrast_with_white(colour: str) -> Decimal:
    """Return the contrast of white on this colour, from 1 to 21 (WCAG 2.2, 1.4.3)."""
    return contrast_of("#ffffff", colour)


def contrast_of(one: str, other: str) -> Decimal:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2, 1.4.3)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + _FLARE) / (darker + _FLARE)


def _luminance(colour: str) -> Decimal:
    parts = [Decimal(int(colour[start : start + 2], 16)) / 255 for start in (1, 3, 5)]
    return sum((_linear(part) * share for part, share in zip(parts, _SHARES, strict=True)), Decimal(0))


def _linear(part: Decimal) -> Decimal:
    """Return a part of an sRGB colour as light."""
    if part <= Decimal("0.04045"):
        return part / Decimal("12.92")
    return ((part + Decimal("0.055")) / Decimal("1.055")) ** Decimal("2.4")


def _refuse(detail: str) -> None:
    raise InvalidFieldsError(detail, field_errors=(FieldError("/colour", "invalid", detail),))
