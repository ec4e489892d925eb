"""The product's web server in processes of its own, always on the same port, so that it can die and come back."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tests.bench.rig import CHECKOUT, await_listener, free_port


@dataclass
class MortalServer:
    """A server that was started, killed and started again."""

    environment: Mapping[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "config.serving", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--workers", "1"], cwd=CHECKOUT, env=dict(self.environment), start_new_session=True
        )
        await_listener(self.port)

    def kill(self) -> None:
        """Kill all of it, as a machine that loses its power would."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
