"""A child process that is started again when it dies.

Each child leads its own session: a Ctrl-C in the terminal reaches only the runner, which
then stops the children in order, and processes that a dead child leaves behind are found.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from config.workbench.runner.screen import say

BACKOFF_SECONDS_MAX = 30
SECONDS_UNTIL_STEADY = 60
KILLED_SECONDS_MAX = 10


class Service:
    """One of the runner's children."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], directory: str) -> None:
        """Describe the child; `start` starts it."""
        self.name = name
        self.command = command
        self.environment = environment
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self.started_at = self.due_at = 0  # seconds of the monotonic clock

    def tend(self, *, seconds: int) -> None:
        """Start the child when it is due, and notice when it has died."""
        if self.process is None:
            if seconds >= self.due_at:
                self._start(seconds)
        elif (status := self.process.poll()) is not None:
            self._bury(status, seconds)

    def terminate(self) -> None:
        """Send SIGTERM. The child finishes its current work."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait_until_stopped(self, *, seconds_max: int) -> None:
        """Wait for the child to end, and kill what is left of it after that time."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds_max)
        self._kill_session(self.process)
        self.process = None

    def _start(self, seconds: int) -> None:
        self.process = subprocess.Popen(
            self.command, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.started_at = seconds

    def _bury(self, status: int, seconds: int) -> None:
        assert self.process is not None
        self._kill_session(self.process)
        self.process = None
        if seconds - self.started_at >= SECONDS_UNTIL_STEADY:
            self.deaths = 0
        delay = min(2**self.deaths, BACKOFF_SECONDS_MAX)
        self.deaths += 1
        self.due_at = seconds + delay
        say(f"The {self.name} process {_manner_of_death(status)}; it starts again in {delay} s.")

    @staticmethod
    def _kill_session(process: subprocess.Popen[bytes]) -> None:
        """Kill the child and its own children. A process group keeps its number while a member lives."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # the kernel still holds it: it will end by itself
            process.wait(KILLED_SECONDS_MAX)


def _manner_of_death(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
