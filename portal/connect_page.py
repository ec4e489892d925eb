"""Pages of `docs/` as the portal shows them: sections of text and code, with the reader's own address and key.

It reads the few forms of Markdown that these pages have: paragraphs, lists, fenced code, tables, headings inside of a
section, and `code`, *emphasis* and links inside of a line. A link to another page is shown as its text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "connect.md"
CLOSING: Final = "See that it counts"
_FENCE: Final = "```"
_PAIR: Final = 2
_SUBHEADING: Final = "### "
_ITEM: Final = re.compile(r"(?:- |[0-9]+\. )(?P<text>.*)")
_INLINE: Final = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*]+)\*|\[(?P<link>[^]]+)\]\([^)]*\)"
)


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a line. Its kind is text, code, em or strong."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, a program, the items of a list or the rows of a table; the others are empty.

    `is_server` is set for a command that goes on until it is stopped.
    """

    runs: tuple[Run, ...] = ()
    code: str = ""
    language: str = ""
    is_server: bool = False
    rows: tuple[tuple[tuple[Run, ...], ...], ...] = ()
    items: tuple[tuple[Run, ...], ...] = ()
    heading: str = ""

    @property
    def words(self) -> str:
        """Return the text of a paragraph or a list."""
        return " ".join(run.text for runs in (self.runs, *self.items) for run in runs)

    @property
    def is_wide(self) -> bool:
        """Return whether it is a table of more than two columns."""
        return bool(self.rows) and len(self.rows[0]) > _PAIR


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what is below it."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def id(self) -> str:
        """Return the title as an anchor."""
        return self.title.lower().replace(" ", "-")


def sections_of(page: str) -> tuple[Section, ...]:
    """Parse the page. Its introduction is the first section, under the title of the page."""
    sections: list[tuple[str, list[str]]] = []
    is_code = False
    for line in page.splitlines():
        is_code ^= line.startswith(_FENCE)
        if line.startswith(("# ", "## ")) and not is_code:
            sections.append((line.lstrip("# "), []))
        else:
            sections[-1][1].append(line)
    return tuple(Section(title, tuple(_blocks(lines))) for title, lines in sections)


def filled_in(page: str, *, url: str, key: str, slug: str) -> str:
    """Return the page with an address, a key or its beginning, and a tenant in place of its examples."""
    filled = page.replace("https://billing.example.com", url).replace("ch_live_YOUR_KEY", key)
    return filled.replace("--tenant acme", f"--tenant {slug}")


def _blocks(text: list[str]) -> Iterator[Block]:
    lines = iter(text)
    pending: list[str] = []
    for line in lines:
        if line.startswith(_FENCE):
            yield from _prose(pending)
            language, _, info = line.removeprefix(_FENCE).partition(" ")
            code = list(iter(lines.__next__, _FENCE))
            yield Block(code="\n".join(code), language=language, is_server=info == "server")
        elif line:
            pending.append(line)
            continue
        else:
            yield from _prose(pending)
        pending = []
    yield from _prose(pending)


def _prose(lines: list[str]) -> Iterator[Block]:
    if lines and lines[0].startswith("|"):
        rows = [line for line in lines if not line.startswith("|--")]
        yield Block(rows=tuple(tuple(_runs(cell.strip()) for cell in row.strip("|").split("|")) for row in rows))
    elif lines and lines[0].startswith(_SUBHEADING):
        yield Block(heading=lines[0].removeprefix(_SUBHEADING))
        yield from _prose(lines[1:])
    elif lines and _ITEM.match(lines[0]):
        yield Block(items=tuple(_runs(item) for item in _items(lines)))
    elif lines:
        yield Block(runs=_runs(" ".join(lines)))


def _items(lines: list[str]) -> list[str]:
    """Return the items of a list; a line that begins no item continues the one before."""
    items: list[str] = []
    for line in lines:
        found = _ITEM.match(line)
        if found is not None:
            items.append(found["text"])
        else:
            items[-1] += f" {line.strip()}"
    return items


def _runs(line: str) -> tuple[Run, ...]:
    runs, end = [], 0
    for found in _INLINE.finditer(line):
        runs.append(Run("text", line[end : found.start()]))
        kind = str(found.lastgroup)
        # The words of a link may be code.
        runs.append(Run("text" if kind == "link" else kind, found[kind].replace("`", "")))
        end = found.end()
    return tuple(run for run in (*runs, Run("text", line[end:])) if run.text)
