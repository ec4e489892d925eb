"""The page that a problem's `type` names explains every code of the API."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.urls import get_resolver

from accounts.errors import ProblemError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"


def subclasses(kind: type[ProblemError]) -> Iterator[type[ProblemError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from subclasses(narrower)


def test_every_code_is_explained_with_its_status() -> None:
    assert get_resolver().url_patterns  # every view, and so every error, is loaded
    explained = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE.read_text(), re.MULTILINE))
    missing = {
        f"{kind.code} {kind.status}"
        for kind in subclasses(ProblemError)
        if explained.get(kind.code) != str(kind.status)
    }
    assert not missing
