"""The page of the API's error codes, to which the `type` of a problem leads. Its text is `docs/errors.md`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
_ROW: Final = re.compile(r"^\| `(?P<code>[a-z_]+)` \| (?P<status>[0-9]{3}) \| (?P<meaning>.+) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A row of the table. The parts of the meaning alternate between text and code, text first."""

    code: str
    status: int
    meaning: tuple[str, ...]


def error_codes(page: str) -> tuple[ErrorCode, ...]:
    """Parse the table in the page's Markdown."""
    return tuple(
        ErrorCode(row["code"], int(row["status"]), tuple(row["meaning"].split("`"))) for row in _ROW.finditer(page)
    )


CODES: Final = error_codes(PAGE.read_text())


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    """Render every code with its status and meaning; each row has an anchor."""
    return render(request, "portal/errors.html", {"codes": CODES})
