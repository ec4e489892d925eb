"""A real web server for tests, and clients that are slow on purpose."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Self

from tests.bench.rig import CHECKOUT, await_listener, free_port

# The server as it was before the pools: one blocking thread a process, which reads the body itself.
BEFORE = ("--interface", "wsgi", "--blocking-threads", "1", "--no-ws", "--log-level", "warning")


@dataclass(frozen=True)
class WebServer:
    """A running web server."""

    port: int
    process: subprocess.Popen[bytes]

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, timeout: int = 60
    ) -> tuple[int, Mapping[str, str], str, float]:
        """Return status, headers and text of a response, and the seconds that it took."""
        started = time.monotonic()
        with closing(http.client.HTTPConnection("localhost", self.port, timeout=timeout)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            text = answer.read().decode()
        return answer.status, dict(answer.headers), text, time.monotonic() - started

    def send_event(self, key: str, id_: str) -> tuple[int, float]:
        """Ingest one event. Return status and seconds."""
        body = f'{{"id": "{id_}", "type": "http_request"}}'.encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        status, _, _, seconds = self.ask("POST", "/api/v1/events", body, headers)
        return status, seconds

    def idle_sender(self, *, sent: bytes = b"{") -> socket.socket:
        """Open a client that announces a body and sends only its beginning."""
        line = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        head = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        line.sendall(f"{head}Content-Length: 500\r\n\r\n".encode() + sent)
        return line

    def slow_reader(self, path: str) -> socket.socket:
        """Open a client that sends a request and never reads, with no room for the response."""
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", self.port))
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return line


@contextmanager
def web_server(environment: Mapping[str, str], *, workers: int = 1, is_as_before: bool = False) -> Iterator[WebServer]:
    """Start the server that `make run` and `deploy/` start, or the one before it."""
    port = free_port()
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    command = [sys.executable, "-m", "config.serving", *place]
    if is_as_before:
        command = [sys.executable, "-m", "granian", *place, *BEFORE, "config.wsgi:application"]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=dict(environment), start_new_session=True)
    try:
        await_listener(port)
        yield WebServer(port, process)
    finally:
        with suppress(ProcessLookupError):  # a test may have ended it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


@contextmanager
def silent_service() -> Iterator[str]:
    """Return the address of a service that accepts connections and never responds."""
    with SilentService() as service:
        yield service.address


class SilentService:
    """The same, for a test that waits until it is called."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._held: list[socket.socket] = []
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (*self._held, self._listener):
            connection.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def take_what_waits(self) -> None:
        """Accept the connections of earlier calls, so that `await_call` sees the next one."""
        with suppress(TimeoutError, BlockingIOError):
            while True:
                self._take(timeout_seconds=0)

    def await_call(self) -> None:
        """Wait until a client connects. Raise TimeoutError after half a minute."""
        self._take(timeout_seconds=30)

    def _take(self, *, timeout_seconds: int) -> None:
        self._listener.settimeout(timeout_seconds)
        self._held.append(self._listener.accept()[0])
