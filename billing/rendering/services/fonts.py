"""The fonts of documents: the font of each character, the width of a text, and how it is drawn.

Every font is in `billing/fonts/` and is embedded. Scripts whose letters join or move are shaped by HarfBuzz; the others
are written as they are, so that their text can be searched and copied.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Final

import uharfbuzz
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from billing.rendering.services.direction import isolated, visual_runs

FONTS_DIRECTORY: Final = Path(__file__).resolve().parents[2] / "fonts"
REGULAR: Final = "NotoSans-Regular"
BOLD: Final = "NotoSans-Bold"
SYMBOLS: Final = "DejaVuSans"
CHINESE: Final = "DroidSansFallbackFull"
KOREAN: Final = "NanumSquareRoundR"
UNKNOWN: Final = "\ufffd"
_AFTER_COMMAS: Final = re.compile(r"(?<=\d,)")
_PRIVATE_USE: Final = range(0xE000, 0xF900)
_UNITS: Final = 1000

# First and last character of each block, and the font that writes it.
_BLOCKS: Final = tuple(
    sorted(
        [
            (0x0530, 0x058F, "NotoSansArmenian-Regular"),
            (0xFB13, 0xFB17, "NotoSansArmenian-Regular"),
            (0x0590, 0x05FF, "NotoSansHebrew-Regular"),
            (0xFB1D, 0xFB4F, "NotoSansHebrew-Regular"),
            (0x0600, 0x06FF, "NotoSansArabic-Regular"),
            (0x0750, 0x077F, "NotoSansArabic-Regular"),
            (0x08A0, 0x08FF, "NotoSansArabic-Regular"),
            (0xFB50, 0xFDFF, "NotoSansArabic-Regular"),
            (0xFE70, 0xFEFE, "NotoSansArabic-Regular"),
            (0x0900, 0x097F, "NotoSansDevanagari-Regular"),
            (0xA8E0, 0xA8FF, "NotoSansDevanagari-Regular"),
            (0x0980, 0x09FF, "NotoSansBengali-Regular"),
            (0x0A00, 0x0A7F, "NotoSansGurmukhi-Regular"),
            (0x0A80, 0x0AFF, "NotoSansGujarati-Regular"),
            (0x0B00, 0x0B7F, "NotoSansOriya-Regular"),
            (0x0B80, 0x0BFF, "NotoSansTamil-Regular"),
            (0x0C00, 0x0C7F, "NotoSansTelugu-Regular"),
            (0x0C80, 0x0CFF, "NotoSansKannada-Regular"),
            (0x0D00, 0x0D7F, "NotoSansMalayalam-Regular"),
            (0x0D80, 0x0DFF, "NotoSansSinhala-Regular"),
            (0x0E00, 0x0E7F, "NotoSansThai-Regular"),
            (0x0E80, 0x0EFF, "NotoSansLao-Regular"),
            (0x1000, 0x109F, "NotoSansMyanmar-Regular"),
            (0x10A0, 0x10FF, "NotoSansGeorgian-Regular"),
            (0x1C90, 0x1CBF, "NotoSansGeorgian-Regular"),
            (0x2D00, 0x2D2F, "NotoSansGeorgian-Regular"),
            (0x1200, 0x139F, "NotoSansEthiopic-Regular"),
            (0x1780, 0x17FF, "NotoSansKhmer-Regular"),
            (0x1100, 0x11FF, KOREAN),
            (0x3130, 0x318F, KOREAN),
            (0xAC00, 0xD7AF, KOREAN),
            (0x2E80, 0x312F, CHINESE),
            (0x3190, 0x9FFF, CHINESE),
            (0xF900, 0xFAFF, CHINESE),
            (0xFE30, 0xFE4F, CHINESE),
            (0xFF00, 0xFFEF, CHINESE),
            (0x20000, 0x2FFFF, CHINESE),
        ]
    )
)
_STARTS: Final = [first for first, _, _ in _BLOCKS]
_WRITTEN_AS_THEY_ARE: Final = frozenset({REGULAR, BOLD, SYMBOLS, CHINESE, KOREAN})


@dataclass(frozen=True, slots=True)
class Style:
    """The look of a text: size, weight, and colour as `#rrggbb`."""

    half_points: int
    is_bold: bool = False
    colour: str = "#1d1d1b"

    @property
    def size(self) -> float:
        """Return the size in points."""
        return self.half_points / 2


@dataclass(frozen=True, slots=True)
class _Run:
    """A part of a line in one font and one direction, in reading order."""

    text: str
    font: str
    is_right_to_left: bool


@dataclass(frozen=True, slots=True)
class _Glyph:
    """A shaped glyph: its character in the PDF, and its position in thousandths of the font's size."""

    character: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class _Shaper:
    """A font of HarfBuzz, with a character for each glyph: the glyph's own, or one of the private use area."""

    font: Any
    characters: dict[int, str]
    scale: float


def base_font() -> str:
    """Load the font that documents begin with, and return its name."""
    _characters(REGULAR)
    return REGULAR


def clean(text: str) -> str:
    """Return the text as it is measured and drawn: composed, in one line, without invisible characters."""
    composed = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(character for character in composed if unicodedata.category(character) not in {"Cc", "Cs", "Cn"})


@lru_cache(maxsize=8192)
def width_of(text: str, style: Style) -> float:
    """Return the width of a cleaned text, in points."""
    return sum(_width(run, style) for run in _runs(text, style))


def draw(canvas: Canvas, x: float, y: float, text: str, style: Style) -> None:
    """Draw one line of cleaned text. `x` is its left end and `y` its base line, in points."""
    canvas.setFillColor(style.colour)
    for run in _runs(text, style):
        canvas.setFont(run.font, style.size)
        if run.font in _WRITTEN_AS_THEY_ARE:
            canvas.drawString(x, y, run.text)
        else:
            for glyph in _shaped(run)[0]:
                shift = style.size / _UNITS
                canvas.drawString(x + glyph.x * shift, y + glyph.y * shift, glyph.character)
        x += _width(run, style)


def wrapped(text: str, style: Style, width: float) -> list[str]:
    """Split a text into lines of at most `width` points.

    It breaks at spaces, between characters of Chinese and Japanese, after the commas of a number, else anywhere.
    """
    lines: list[str] = []
    line = ""
    pieces = chain.from_iterable(
        [piece] if width_of(piece.rstrip(), style) <= width else _AFTER_COMMAS.split(piece)
        for piece in _pieces(clean(text))
    )
    for piece in pieces:
        if width_of((line + piece).rstrip(), style) <= width:
            line += piece
            continue
        if line.strip():
            lines.append(line.strip())
        line = ""
        for character in piece.lstrip():
            if line and width_of(line + character, style) > width and unicodedata.category(character)[0] != "M":
                lines.append(line)
                line = ""
            line += character
    if line.strip():
        lines.append(line.strip())
    return lines


def joined(parts: Sequence[str], sign: str, style: Style, width: float) -> list[str]:
    """Join parts by a sign into lines of at most `width` points. A part breaks only if it is wider than that."""
    lines: list[str] = []
    for part in (isolated(clean(part)) for part in parts):
        if lines and width_of(lines[-1] + sign + part, style) <= width:
            lines[-1] += sign + part
        else:
            lines += wrapped(part, style, width)
    return lines


def _pieces(text: str) -> Iterator[str]:
    """Yield the unbreakable pieces: words with the space after them, single characters of scripts without spaces."""
    word = ""
    for character in text:
        if _font_of_block(ord(character)) == CHINESE:
            if word:
                yield word
            yield character
            word = ""
        elif character == " ":
            yield word + character
            word = ""
        else:
            word += character
    if word:
        yield word


def _runs(text: str, style: Style) -> Iterator[_Run]:
    base = BOLD if style.is_bold else REGULAR
    for part, is_right_to_left in visual_runs(text):
        runs = list(_runs_of_fonts(part, base))
        for font, written in reversed(runs) if is_right_to_left else runs:
            is_turned = is_right_to_left and font in _WRITTEN_AS_THEY_ARE
            yield _Run(written[::-1] if is_turned else written, font, is_right_to_left)


def _runs_of_fonts(text: str, base: str) -> Iterator[tuple[str, str]]:
    """Split a text at each change of font. Marks and joiners stay with the letter before them."""
    fonts: list[str] = []
    written: list[str] = []
    for character in text:
        font, known = _font_for(character, base)
        if fonts and unicodedata.category(character) in {"Mn", "Mc", "Cf"} and _has(fonts[-1], character):
            font, known = fonts[-1], character
        fonts.append(font)
        written.append(known)
    position = 0
    for font, group in groupby(fonts):
        length = len(list(group))
        yield font, "".join(written[position : position + length])
        position += length


def _font_for(character: str, base: str) -> tuple[str, str]:
    """Return the font of a character, and the text that it draws: the character, or a sign for an unknown one."""
    for font in (_font_of_block(ord(character)), base, SYMBOLS):
        if font is not None and _has(font, character):
            return font, character
    return base, "" if unicodedata.category(character) == "Cf" else UNKNOWN


def _font_of_block(code: int) -> str | None:
    position = bisect_right(_STARTS, code) - 1
    if position >= 0 and code <= _BLOCKS[position][1]:
        return _BLOCKS[position][2]
    return None


def _has(font: str, character: str) -> bool:
    return ord(character) in _characters(font)


def _width(run: _Run, style: Style) -> float:
    if run.font in _WRITTEN_AS_THEY_ARE:
        _characters(run.font)
        width: float = pdfmetrics.stringWidth(run.text, run.font, style.size)
        return width
    return _shaped(run)[1] * style.size / _UNITS


@cache
def _characters(font: str) -> frozenset[int]:
    """Return the characters that a font has. Load the font at the first call."""
    loaded = TTFont(font, FONTS_DIRECTORY / f"{font}.ttf", shapable=False)
    own = frozenset(loaded.face.charToGlyph)
    pdfmetrics.registerFont(loaded)
    return own


@cache
def _shaper(font: str) -> _Shaper:
    """Return the shaper of a font, in which every glyph has a character, assigned in the order of glyphs.

    So a document does not depend on the documents rendered before it.
    """
    own = _characters(font)
    face = pdfmetrics.getFont(font).face
    shaping = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(FONTS_DIRECTORY / f"{font}.ttf")))
    hb_font = uharfbuzz.Font(shaping)
    scale = _UNITS / shaping.upem
    characters: dict[int, str] = {}
    for code in sorted(own):
        characters.setdefault(face.charToGlyph[code], chr(code))
    free = (code for code in _PRIVATE_USE if code not in own)
    for glyph in range(shaping.glyph_count):
        if glyph not in characters:
            code = next(free)
            face.charToGlyph[code] = glyph
            face.charWidths[code] = hb_font.get_glyph_h_advance(glyph) * scale
            characters[glyph] = chr(code)
    return _Shaper(hb_font, characters, scale)


def _shaped(run: _Run) -> tuple[list[_Glyph], float]:
    """Return the glyphs of a run from left to right, and its width in thousandths of the font's size."""
    shaper = _shaper(run.font)
    buffer = uharfbuzz.Buffer()
    buffer.add_str(run.text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if run.is_right_to_left else "ltr"
    uharfbuzz.shape(shaper.font, buffer)
    glyphs = []
    x: float = 0
    for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        character = shaper.characters[info.codepoint]
        glyphs.append(_Glyph(character, x + position.x_offset * shaper.scale, position.y_offset * shaper.scale))
        x += position.x_advance * shaper.scale
    return glyphs, x
