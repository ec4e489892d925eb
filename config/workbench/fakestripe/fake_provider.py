"""What the fakes of payment providers share: a server with a queue of webhooks, for programs, people and tests."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from config.workbench.fakestripe.deliveries import Deliveries
from config.workbench.fakestripe.pages.html import HtmlPage
from config.workbench.fakestripe.store import Store

HOST = "127.0.0.1"
BODY_BYTES_MAX = 5 * 1024 * 1024
SECONDS_BETWEEN_TICKS = 5
SECONDS_BETWEEN_LOOKS = 0.05  # how soon a server notices that it must stop
# Pages of a payment provider are never framed or cached, and send no referrer.
PAGE_HEADERS = {"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}


class FakeProvider:
    """A running fake: its state, its webhooks and its server. A subclass says what a request and a tick do."""

    name: ClassVar[str]
    handler: ClassVar[type["FakeHandler"]]

    def __init__(self, store: Store, deliveries: Deliveries, *, port: int, is_ticking: bool) -> None:
        """Bind the port (0: any free one). Requests wait until `start` or `serve`. Raises OSError if it is taken."""
        self.deliveries = deliveries
        self._events = store
        self.is_ticking = is_ticking
        self.ticked_at = 0.0
        self.http = _Server((HOST, port), self.handler)
        self.http.fake = self
        self.url = store.base_url = f"http://{HOST}:{self.http.server_address[1]}"
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve from now on, in a thread."""
        self.deliveries.start()
        self.thread = threading.Thread(target=self._serve_requests, name=self.name, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        """Serve until interrupted. Events that an earlier run could not deliver are sent again."""
        self.deliveries.start()
        with self._events.lock:
            waiting = [event["id"] for event in self._events.all("event") if event["pending_webhooks"]]
        self.deliveries.enqueue(waiting)
        try:
            self._serve_requests()
        finally:
            self.deliveries.stop()
            self.http.server_close()

    def stop(self) -> None:
        """Stop the thread and the server."""
        self.http.shutdown()
        self.http.server_close()
        if self.thread is not None:
            self.thread.join(timeout=5)
        self.deliveries.stop()

    def tick(self) -> None:
        """Run what is due by the fake's clock."""
        raise NotImplementedError

    def tick_now_and_then(self) -> None:
        """Run what is due at intervals, so that periods end by themselves in a demo."""
        if self.is_ticking and time.monotonic() - self.ticked_at > SECONDS_BETWEEN_TICKS:
            self.ticked_at = time.monotonic()
            self.tick()

    def _serve_requests(self) -> None:
        self.http.serve_forever(poll_interval=SECONDS_BETWEEN_LOOKS)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeProvider

    def service_actions(self) -> None:
        self.fake.tick_now_and_then()


class FakeHandler(BaseHTTPRequestHandler):
    """Reads a bounded body, and writes JSON and pages. A subclass has `respond` and names its methods."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body are sent in one piece
    disable_nagle_algorithm = True
    server: _Server

    def body(self) -> bytes | None:
        """Return the request's body, or None if it is too large."""
        length = int(self.headers.get("content-length") or 0)
        return self.rfile.read(length) if length <= BODY_BYTES_MAX else None

    def drop(self) -> None:
        """Close the connection without a response, as a test planned."""
        self.close_connection = True

    def send_json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self._write(status, "application/json", json.dumps(body, indent=2).encode(), headers or {})

    def send_page(self, page: HtmlPage) -> None:
        headers = PAGE_HEADERS | ({"Location": page.location} if page.location else {})
        self._write(page.status, page.content_type, page.body, headers)

    def _write(self, status: int, content_type: str, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the fakes keep what a test asks for."""


def run_fake(make: Callable[..., FakeProvider], *, module: str, provider: str, port: int) -> None:
    """Serve the fake of a provider in a process of its own until it is interrupted or terminated.

    The first secret of `<PROVIDER>_WEBHOOK_SECRET` signs its webhooks; every user of a machine may read the arguments
    of a process.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=f"A fake {provider}. No real money.")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--webhook-url", help="the address that events are sent to")
    parser.add_argument("--state", type=Path, help="the file that stores the state")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        fake = make(port=options.port, file=options.state, is_ticking=True)
    except OSError as error:
        sys.exit(f"fake {provider.lower()}: port {options.port} cannot be used: {error.strerror}")
    if options.webhook_url:
        secrets = os.environ.get(f"{provider.upper()}_WEBHOOK_SECRET", "")
        fake.deliveries.send_to(options.webhook_url, secrets.split(",")[0])
    sys.stdout.write(f"The fake {provider} is running at {fake.url}\n")
    sys.stdout.flush()
    try:
        fake.serve()
    except KeyboardInterrupt:
        sys.exit(130)
