"""The layout of documents: cells in rows, rows in groups, groups on pages.

Points, with y from the bottom as in PDF.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from io import BytesIO
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from billing.rendering.services.fonts import Style, clean, draw, width_of, wrapped

PAGE_WIDTH, PAGE_HEIGHT = A4
LEFT: Final = 56
RIGHT: Final = PAGE_WIDTH - 56
TOP: Final = PAGE_HEIGHT - 56
BOTTOM: Final = 76
PICTURE_WIDTH_MAX: Final = 180
CODE_SIDE: Final = 85  # 30 mm
PICTURE_HEIGHT_MAX: Final = 54
LINE_COLOUR: Final = "#c9c6bd"
_LEADING: Final = 34 / 25
_ASCENT: Final = 51 / 50


# The gap between columns of numbers, so that two numbers never read as one.
GAP: Final = 12
_DESCRIPTION_WIDTH_MIN: Final = 110
# The widths of quantity, unit price and amount if the numbers are short.
_WIDTHS_MIN: Final = (106, 60, 63)

Text = tuple[str, Style]


class Align(Enum):
    """The end of its cell at which a text is drawn."""

    LEFT = auto()
    RIGHT = auto()


@dataclass(frozen=True, slots=True)
class Cell:
    """Texts in a column, one below the other, wrapped to the column's width. `link` makes the whole cell a link."""

    x: float
    width: float
    texts: Sequence[tuple[str, Style]]
    align: Align = Align.LEFT
    link: str = ""

    def lines(self) -> list[tuple[str, Style]]:
        """Wrap the texts to the column's width."""
        return [(line, style) for text, style in self.texts for line in wrapped(text, style, self.width)]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of the table of lines: the left end and the width of each, in points."""

    description: tuple[float, float]
    quantity: tuple[float, float]
    price: tuple[float, float]
    amount: tuple[float, float]


def columns_for(rows: Sequence[Sequence[Text]], *, left: float) -> Columns:
    """Return columns up to the right margin that are as wide as the rows' quantities, prices and amounts need.

    A unit goes below its quantity if the page is too narrow for both. A number that is wider than the page is broken
    after one of its commas.
    """
    room = RIGHT - left - _DESCRIPTION_WIDTH_MIN - 3 * GAP
    wholes = [[width_of(clean(text), style) for text, style in column] for column in zip(*rows, strict=True)]
    words = [[_widest_word(text, style) for text, style in column] for column in zip(*rows, strict=True)]
    widths = [max(least, *column) for least, column in zip(_WIDTHS_MIN, wholes, strict=True)]
    if sum(widths) > room:
        widths = [max(least, *column) for least, column in zip(_WIDTHS_MIN, words, strict=True)]
    if sum(widths) > room:
        widths = [width * room / sum(widths) for width in widths]
    quantity, price, amount = widths
    amount_left = RIGHT - amount
    price_left = amount_left - GAP - price
    quantity_left = price_left - GAP - quantity
    return Columns(
        description=(left, quantity_left - GAP - left),
        quantity=(quantity_left, quantity),
        price=(price_left, price),
        amount=(amount_left, amount),
    )


def _widest_word(text: str, style: Style) -> float:
    return max((width_of(word, style) for word in clean(text).split(" ")), default=0)


@dataclass(slots=True)
class Row:
    """Cells side by side. A row is never split between pages."""

    cells: Sequence[Cell]
    space_above: float = 0
    space_below: float = 0
    has_rule: bool = False
    lines: list[list[tuple[str, Style]]] = field(init=False)
    height: float = field(init=False)

    def __post_init__(self) -> None:
        """Wrap the texts once, and compute the height."""
        self.lines = [cell.lines() for cell in self.cells]
        tallest = max((sum(style.size * _LEADING for _, style in lines) for lines in self.lines), default=0)
        self.height = self.space_above + tallest + self.space_below

    def draw(self, canvas: Canvas, top: float) -> None:
        """Draw it on the page with its upper edge at `top`."""
        if self.has_rule:
            draw_rule(canvas, self.cells[0].x, top)
        for cell, lines in zip(self.cells, self.lines, strict=True):
            y = top - self.space_above
            for text, style in lines:
                base_line = y - style.size * _ASCENT
                width = width_of(text, style)
                x = cell.x if cell.align is Align.LEFT else cell.x + cell.width - width
                draw(canvas, x, base_line, text, style)
                if cell.link:
                    box = (x, base_line - 2, x + width, base_line + style.size)
                    canvas.linkURL(cell.link, box, relative=0, thickness=0)
                y -= style.size * _LEADING


@dataclass(slots=True)
class Picture:
    """A picture at the left margin, scaled down to its box if needed. One pixel is one point.

    A code has a box of its own, in which every phone reads it.
    """

    content: bytes
    space_below: float = 8
    is_code: bool = False
    width: float = field(init=False)
    height: float = field(init=False)
    _image: ImageReader = field(init=False)

    def __post_init__(self) -> None:
        """Read the picture's size, and scale it."""
        self._image = ImageReader(BytesIO(self.content))
        across, down = self._image.getSize()
        box = (CODE_SIDE, CODE_SIDE) if self.is_code else (PICTURE_WIDTH_MAX, PICTURE_HEIGHT_MAX)
        scale = min(box[0] / across, box[1] / down, 1)
        self.width = across * scale
        self.height = down * scale + self.space_below

    def draw(self, canvas: Canvas, top: float) -> None:
        """Draw it on the page with its upper edge at `top`."""
        height = self.height - self.space_below
        canvas.drawImage(self._image, LEFT, top - height, self.width, height, mask="auto")


@dataclass(frozen=True, slots=True)
class Beside:
    """Columns of rows side by side, with the same upper edge."""

    columns: Sequence[Sequence["Row | Picture"]]
    space_below: float = 0

    @property
    def height(self) -> float:
        """Return the height of the highest column with the space below, in points."""
        return max(height_of(column) for column in self.columns) + self.space_below

    def draw(self, canvas: Canvas, top: float) -> None:
        """Draw the columns on the page with their upper edge at `top`."""
        for column in self.columns:
            draw_rows(canvas, column, top)


Block = Row | Picture | Beside


def draw_rule(canvas: Canvas, x: float, y: float) -> None:
    """Draw a thin line from `x` to the right margin."""
    canvas.setStrokeColor(LINE_COLOUR)
    canvas.setLineWidth(1 / 2)
    canvas.line(x, y, RIGHT, y)


def height_of(rows: Sequence[Block]) -> float:
    """Return the total height of rows, in points."""
    return sum(row.height for row in rows)


def draw_rows(canvas: Canvas, rows: Sequence[Block], top: float) -> float:
    """Draw rows one below the other, and return the lower edge of the last one."""
    for row in rows:
        row.draw(canvas, top)
        top -= row.height
    return top


def paginate(
    groups: Sequence[Sequence[Row]], tail: Sequence[Row], *, first: float, following: float
) -> list[list[Row]]:
    """Split groups of rows into pages with `first`, then `following` points of room.

    The last page ends with `tail`.

    A group stays together if it fits on a page. If the tail moves to a new page, the last group or the last row moves
    with it, unless that leaves a page empty.
    """
    pages: list[list[list[Row]]] = [[]]
    room = first
    for group in groups:
        if height_of(group) > room and pages[-1] and height_of(group) <= following:
            pages.append([])
            room = following
        pages[-1].append([])
        for row in group:
            if row.height > room and any(pages[-1]):
                pages.append([[]])
                room = following
            pages[-1][-1].append(row)
            room -= row.height
    if height_of(tail) > room and any(pages[-1]):
        pages.append([_last_rows(pages[-1], following - height_of(tail))])
    pages[-1].append(list(tail))
    return [[row for group in page for row in group] for page in pages]


def _last_rows(page: list[list[Row]], room: float) -> list[Row]:
    """Take from a page the rows that move to the next one with the tail.

    These are the last group if it fits on the page with the tail, else the last row.
    """
    if len(page) > 1 and height_of(page[-1]) <= room:
        return page.pop()
    return [page[-1].pop()] if sum(map(len, page)) > 1 else []
