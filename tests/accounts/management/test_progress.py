"""Long commands show their progress."""

from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from accounts.management import progress as progress_module
from accounts.management.progress import progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_progress_bar_is_shown() -> None:
    with progress(OutputWrapper(Terminal())) as show:
        show("1 of 2 invoices", 1, 2)
        show("3 lines", 3, None)


def test_without_a_terminal_a_line_is_printed_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress_module, "monotonic", lambda: now[0])
    written = StringIO()
    with progress(OutputWrapper(written)) as show:
        for second in (1.0, 5.0, 9.0, 11.0):
            now[0] = second
            show(f"{second:.0f} lines", 1, None)
    assert written.getvalue() == "5 lines …\n11 lines …\n"
