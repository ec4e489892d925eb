"""Pages of long lists by keyset, newest first: a page is found by the position of its neighbour's last row.

Rows added between two requests neither repeat nor hide others, and the last page costs the same as the first. A
position is an instant, and an id that orders rows of the same instant.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

PAGE_ROWS_DEFAULT: Final = 50
PAGE_ROWS_MAX: Final = 500
_CURSOR_CHARACTERS_MAX: Final = 1000

Row = TypeVar("Row")


class InvalidCursorError(ValueError):
    """The cursor is not one that we created."""


@dataclass(frozen=True, slots=True)
class RowPosition:
    """The position of a row in a list: its instant, and its id as text."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`rows_max` rows beyond `position`: older ones, or newer ones if `is_backwards`."""

    rows_max: int = PAGE_ROWS_DEFAULT
    position: RowPosition | None = None
    is_backwards: bool = False

    @property
    def rows_to_read(self) -> int:
        """Return the number of rows to read: one more than the page has, which shows whether another page follows."""
        return self.rows_max + 1


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows, newest first, and the requests for the pages before and after them."""

    rows: tuple[Row, ...]
    next: PageRequest | None
    previous: PageRequest | None


def cut_page(rows: Sequence[Row], request: PageRequest, position_of: Callable[[Row], RowPosition]) -> Page[Row]:
    """Create a page from up to `rows_to_read` rows, given in the order in which they were read.

    That order is newest first, or oldest first if the request is backwards.
    """
    kept = tuple(rows[: request.rows_max])
    has_more = len(rows) > request.rows_max
    if request.is_backwards:
        kept = kept[::-1]
    if not kept:
        return Page((), None, None)
    older = PageRequest(request.rows_max, position_of(kept[-1]))
    newer = PageRequest(request.rows_max, position_of(kept[0]), is_backwards=True)
    has_older = request.is_backwards or has_more
    has_newer = has_more if request.is_backwards else request.position is not None
    return Page(kept, older if has_older else None, newer if has_newer else None)


def write_cursor(request: PageRequest) -> str:
    """Return the opaque text by which a client requests this page."""
    assert request.position is not None, "the first page needs no cursor"
    facts = ["p" if request.is_backwards else "n", request.position.at.isoformat(), request.position.id]
    return base64.urlsafe_b64encode(json.dumps(facts, ensure_ascii=False).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, rows_max: int) -> PageRequest:
    """Parse a cursor, which may be hostile. Raises `InvalidCursorError`."""
    if len(cursor) > _CURSOR_CHARACTERS_MAX:
        raise InvalidCursorError("The cursor is too long.")
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        direction, at, row_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        position = RowPosition(datetime.fromisoformat(at), row_id)
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise InvalidCursorError("The cursor is invalid.") from error
    if direction not in ("n", "p") or not isinstance(row_id, str) or "\x00" in row_id or position.at.tzinfo is None:
        raise InvalidCursorError("The cursor is invalid.")
    return PageRequest(rows_max, position, is_backwards=direction == "p")
