"""The API's error codes as `docs/errors.md` lists them: the page to which the `type` of a problem leads shows them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "errors.md"
_ROW: Final = re.compile(r"^\| `(?P<code>[a-z_]+)` \| (?P<status>[0-9]{3}) \| (?P<meaning>.+) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A row of the table. The parts of the meaning alternate between text and code, text first."""

    code: str
    status: int
    meaning: tuple[str, ...]

    @property
    def parts(self) -> list[tuple[str, bool, bool]]:
        """Return each part with whether it is a code, and whether this row explains that code: it has no own row."""
        return [
            (part, position % 2 == 1, position % 2 == 1 and self.code == "invalid_event" and part not in _OWN_ROWS)
            for position, part in enumerate(self.meaning)
        ]


def error_codes(page: str) -> tuple[ErrorCode, ...]:
    """Parse the table in the page's Markdown."""
    return tuple(
        ErrorCode(row["code"], int(row["status"]), tuple(row["meaning"].split("`"))) for row in _ROW.finditer(page)
    )


CODES: Final = error_codes(PAGE.read_text())
_OWN_ROWS: Final = frozenset(row.code for row in CODES)
