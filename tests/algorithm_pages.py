"""Reads the worked examples out of docs/algorithms, so that a page and the code cannot differ."""

import json
from pathlib import Path

_PAGES = Path(__file__).parents[1] / "docs" / "algorithms"


def rows_below(page: str, *columns: str) -> list[list[str]]:
    """Return the rows of the table of `page` whose heading is exactly `columns`, code marks removed."""
    lines = (_PAGES / f"{page}.md").read_text("utf-8").splitlines()
    start = lines.index(f"| {' | '.join(columns)} |") + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    assert rows, "a worked example has rows"
    return rows


def json_below(page: str, heading: str) -> object:
    """Return the first JSON example of `page` below the line `heading`."""
    text = (_PAGES / f"{page}.md").read_text("utf-8").split(f"\n{heading}\n", 1)[1]
    return json.loads(text.split("```json\n", 1)[1].split("```", 1)[0])
