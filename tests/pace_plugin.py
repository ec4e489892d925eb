"""Watches how long tests take: none waits for ever, slow ones give a reason, and `--quick` runs those without a server.

A test that takes seconds carries `@pytest.mark.takes_long("why")`, and `make test-long` runs it instead of `make test`.
Others are listed at the end of a run on a machine that was not busy with something else. It is a list and no failure,
since no test can know why it was slow.
"""

import contextlib
import gc
import importlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

LONG_SECONDS: Final = 5
GARBAGE_OBJECTS: Final = 20_000
LOAD_PER_CORE_MAX: Final = 2
# Importing everything and collecting thousands of tests creates much and leaves no garbage: a fifth of its CPU time.
gc.disable()
# The last net below the deadlines that waits have themselves; for a busy machine many times what the longest needs.
SECONDS_MAX: Final = {"soak": 7200, "e2e": 1800}
SECONDS_MAX_OTHERWISE: Final = 600
REASON: Final = "takes_long"
DATABASE_FIXTURES: Final = frozenset({"db", "transactional_db", "live_server", "django_db_setup"})
SERVER_FIXTURES: Final = DATABASE_FIXTURES | {"fake_paddle", "fake_paddle_server", "fake_stripe", "fake_stripe_server"}
# Folders whose tests start programs.
FOLDERS_WITH_PROGRAMS: Final = ("tests/clients", "tests/config/workbench", "tests/concurrency", "tests/faults")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`."""
    parser.addoption("--quick", action="store_true", help="only tests that need neither a database nor another program")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a server, if `--quick` is given."""
    if config.getoption("quick"):
        left_out = [item for item in items if needs_server(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not needs_server(item)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Import a worker's share of the modules before all of them are collected.

    In a fresh clone most of the time of an import goes into rewriting assertions. Each worker needs every module, and
    finds those that another one rewrote meanwhile in the cache.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker:
        modules = modules_below([Path(argument) for argument in session.config.args], root=session.config.rootpath)
        for name in modules[int(worker) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
            with contextlib.suppress(Exception, pytest.skip.Exception):  # which the collection reports
                importlib.import_module(name)


def modules_below(folders: Sequence[Path], *, root: Path) -> list[str]:
    """Return the names of the test modules in these folders below the root."""
    files = [path for folder in folders for path in sorted((root / folder).rglob("test_*.py"))]
    return [".".join(path.relative_to(root).with_suffix("").parts) for path in files]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Collect garbage again, less often, without what collection leaves, which stays until the end anyway."""
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    gc.enable()


def needs_server(item: pytest.Item) -> bool:
    """Return whether the test needs a database, or starts a program."""
    return (
        item.get_closest_marker("django_db") is not None
        or not SERVER_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        or item.nodeid.startswith(FOLDERS_WITH_PROGRAMS)
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End a test that waits for ever. The alarm uses the machine's own clock, which no test shifts."""
    seconds = next((SECONDS_MAX[name] for name in SECONDS_MAX if item.get_closest_marker(name)), SECONDS_MAX_OTHERWISE)

    def end(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"not over after {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Mark in the report that the test has a reason."""
    if item.get_closest_marker(REASON):
        item.user_properties.append((REASON, True))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the tests that took long and give no reason."""
    reports = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport)
    ]
    slow = [
        report
        for report in reports
        if report.when == "call" and report.duration > LONG_SECONDS and (REASON, True) not in report.user_properties
    ]
    if slow and os.getloadavg()[0] > LOAD_PER_CORE_MAX * (os.cpu_count() or 1):
        terminalreporter.line(f"{len(slow)} tests took over {LONG_SECONDS} s, on a busy machine")
    elif slow:
        terminalreporter.section(f"over {LONG_SECONDS} s without a reason")
        for report in sorted(slow, key=lambda report: -report.duration):
            terminalreporter.line(f"{report.duration:6.1f} s  {report.nodeid}")
