"""The command that starts granian: the same in `make run`, in `deploy/` and in tests."""

import sys
from typing import Final

HEADER_SECONDS: Final = 15
HEADER_BYTES_MAX: Final = 65_536
# Far above the number of requests that wait for a body: each is a connection and a coroutine, no thread.
CONNECTIONS_MAX: Final = 4096
STOP_SECONDS_MAX: Final = 12


def web_command(*, host: str, port: int, workers: int) -> list[str]:
    """Return the command that serves on a port with so many processes, each with its two pools of threads.

    A process that dies is started again. After SIGTERM, requests in progress have `STOP_SECONDS_MAX` to finish.
    """
    return [
        *(sys.executable, "-m", "granian", "--interface", "rsgi", "--http", "1", "--no-ws", "--loop", "asyncio"),
        *("--host", host, "--port", str(port), "--workers", str(workers)),
        *("--backlog", "1024", "--backpressure", str(CONNECTIONS_MAX)),
        *("--http1-header-read-timeout", str(HEADER_SECONDS * 1000), "--http1-buffer-size", str(HEADER_BYTES_MAX)),
        *("--respawn-failed-workers", "--respawn-interval", "0.1", "--workers-kill-timeout", str(STOP_SECONDS_MAX)),
        *("--log-level", "warning", "config.serving.application:application"),
    ]
