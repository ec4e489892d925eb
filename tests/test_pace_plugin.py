"""How a run treats tests that take long, that never end, or that need a server when none is wanted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHORTER = """
from tests import pace_plugin
pace_plugin.LONG_SECONDS, pace_plugin.LOAD_PER_CORE_MAX = 0.2, 1_000_000
pace_plugin.SECONDS_MAX_OTHERWISE = 2
"""
TESTS = """
import threading, time
import pytest

def test_that_waits_for_what_never_comes(): threading.Event().wait()
def test_that_dawdles(): time.sleep(0.3)
@pytest.mark.takes_long("it sleeps")
def test_that_says_why(): time.sleep(0.3)
def test_that_is_quick(): pass
@pytest.mark.django_db
def test_with_a_database(): pass
"""


@pytest.mark.takes_long("it starts pytest")
def test_endless_tests_fail_long_ones_without_a_reason_are_listed_and_quick_leaves_out_databases(
    tmp_path: Path,
) -> None:
    said = run(tmp_path, "--quick", "-n", "2")
    assert "1 failed, 3 passed, 1 skipped, 1 error" in said
    assert "not over after 2 s" in said
    listed = said.partition("without a reason")[2]
    assert "test_that_dawdles" in listed
    assert "test_that_says_why" not in listed
    assert "test_that_is_quick" not in listed


def run(place: Path, *options: str) -> str:
    (place / "conftest.py").write_text(SHORTER)
    (place / "test_pace.py").write_text(TESTS)
    (place / "test_skipped.py").write_text("import pytest; pytest.importorskip('a_missing_extra')")
    (place / "test_broken.py").write_text("import a_missing_module")
    markers = ["-o", "markers=takes_long: why\ndjango_db: a database", "-o", f"pythonpath={place}"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:django",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.pace_plugin",
        "-q",
    ]
    done = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(place), *markers, *options, str(place)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr
