"""The ownership of an installation: one runner at a time, and no orphans of an earlier one.

The lock decides: the operating system releases it when its holder dies, however it dies.
The note beside it only names the process.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from config.workbench.runner.plan import OWNER_VARIABLE, RunPlan

ORPHAN_SECONDS_MAX = 5


class Ownership:
    """The lock on one data directory, and the note of its holder."""

    def __init__(self, data_dir: Path) -> None:
        """Set the files' paths. Nothing is touched before `try_lock`."""
        self.lock_file = data_dir / "runner.lock"
        self.note_file = data_dir / "runner.json"

    @contextlib.contextmanager
    def try_lock(self) -> Iterator[bool]:
        """Hold the lock if no other process does. Yield whether we hold it."""
        self.lock_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.lock_file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def read_note(self) -> dict[str, Any]:
        """Return the note of the current or the last runner; empty if there is none."""
        try:
            note = json.loads(self.note_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return note if isinstance(note, dict) else {}

    def write_note(self, **facts: int | bool) -> None:
        """Write the note, completely or not at all."""
        unfinished = self.note_file.with_suffix(".new")
        unfinished.write_text(json.dumps(facts))
        unfinished.replace(self.note_file)

    def remove_note(self) -> None:
        """Remove the note at an orderly end."""
        self.note_file.unlink(missing_ok=True)


def end_orphans(plan: RunPlan) -> int:
    """Stop the processes that a killed runner left behind. Return how many there were."""
    orphans = [process for process in psutil.process_iter() if _belongs_to(process, plan)]
    for process in orphans:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(orphans, timeout=ORPHAN_SECONDS_MAX)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=ORPHAN_SECONDS_MAX)
    return len(orphans)


def _belongs_to(process: psutil.Process, plan: RunPlan) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        return process.environ().get(OWNER_VARIABLE) == str(plan.data_dir)
    except (psutil.Error, OSError):
        return False
