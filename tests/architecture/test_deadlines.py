"""Every wait has a deadline, so that an event that never comes fails a test or a request instead of blocking it."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath

import pytest

from tests.architecture.sources import Source, sources_below

FOLDERS = ("accounts", "billing", "config", "metering", "portal", "tests")
# Methods that wait for ever unless an argument says otherwise. `str.join` has one.
WAITING_METHODS = {"wait", "join", "result"}
# Calls that take their deadline by keyword, and its name.
WAITING_CALLS = {
    "communicate": "timeout",
    "urlopen": "timeout",
    "HTTPConnection": "timeout",
    "HTTPSConnection": "timeout",
    "create_connection": "timeout",
    "subprocess.run": "timeout",
    "subprocess.check_call": "timeout",
    "subprocess.check_output": "timeout",
    "psycopg.connect": "connect_timeout",
}
MODULES_OF = {name.rpartition(".")[2] for name in WAITING_CALLS}
# A file without any of these calls waits for nothing, and need not be parsed.
MAY_WAIT = re.compile(rf"\.(?:{'|'.join(WAITING_METHODS)})\s*\(\s*\)|\b(?:{'|'.join(MODULES_OF)})\b")


def endless_waits(source: Source) -> Iterator[int]:
    """Yield the lines of the calls that may wait for ever."""
    if not MAY_WAIT.search(source.text):
        return
    for call in source.nodes(ast.Call):
        method = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        keywords = {keyword.arg for keyword in call.keywords}
        if isinstance(call.func, ast.Attribute) and method in WAITING_METHODS and not call.args and not keywords:
            yield call.lineno
        deadline = WAITING_CALLS.get(method) or (method in MODULES_OF and WAITING_CALLS.get(ast.unparse(call.func)))
        if deadline and deadline not in keywords and None not in keywords:
            yield call.lineno


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_wait_has_a_deadline(folder: str) -> None:
    assert not {f"{source.path}:{line}" for source in sources_below(folder) for line in endless_waits(source)}


@pytest.mark.parametrize(
    "code",
    [
        "process.wait()", "thread.join()", "future.result()", "process.communicate()", "process.communicate(text)",
        "subprocess.run(['x'], check=True)", "http.client.HTTPConnection(host)", "socket.create_connection(address)",
        "psycopg.connect(url)",
    ],
)  # fmt: skip
def test_a_wait_without_a_deadline_is_detected(code: str) -> None:
    assert list(endless_waits(Source(PurePath("x.py"), code))) == [1]


@pytest.mark.parametrize(
    "code",
    [
        "process.wait(60)", "thread.join(timeout=60)", "', '.join(words)", "process.communicate(timeout=60)",
        "subprocess.run(['x'], timeout=60)", "subprocess.run(['x'], **options)", ("psycopg.connect(url, "
        "connect_timeout=5)"),
    ],
)  # fmt: skip
def test_a_wait_with_a_deadline_is_accepted(code: str) -> None:
    assert not list(endless_waits(Source(PurePath("x.py"), code)))
