"""The progress of a long command: a bar on a terminal, elsewhere a line every few seconds."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

SECONDS_BETWEEN_LINES: Final = 5

Show = Callable[[str, int, int | None], None]
"""Shows a text, how much is done, and the total if it is known."""


@contextmanager
def progress(output: OutputWrapper) -> Iterator[Show]:
    """Yield a function that a command calls to show its progress."""
    if not output.isatty():
        yield _lines_now_and_then(output)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stdout), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda sentence, done, total: bar.update(task, description=sentence, completed=done, total=total)


def _lines_now_and_then(output: OutputWrapper) -> Show:
    last = [monotonic()]

    def show(sentence: str, _done: int, _total: int | None) -> None:
        if monotonic() - last[0] >= SECONDS_BETWEEN_LINES:
            last[0] = monotonic()
            output.write(f"{sentence} …")

    return show
