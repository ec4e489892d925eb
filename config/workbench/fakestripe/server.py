"""The fake over HTTP: /v1/ for programs, pages for people, /_test/ for tests."""

import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.workbench.fakestripe.api import Answer, Api
from config.workbench.fakestripe.control import Control
from config.workbench.fakestripe.deliveries import Deliveries, body_of, signature
from config.workbench.fakestripe.errors import Json, StripeError
from config.workbench.fakestripe.pages import Pages
from config.workbench.fakestripe.pages.html import HtmlPage
from config.workbench.fakestripe.parameters import decode
from config.workbench.fakestripe.store import Store

HOST = "127.0.0.1"
BODY_BYTES_MAX = 5 * 1024 * 1024
SECONDS_BETWEEN_TICKS = 5


class FakeStripe:
    """A running fake: its state, its webhooks and its server."""

    def __init__(self, *, port: int = 0, file: Path | None = None, is_ticking: bool = False) -> None:
        """Bind the port (any free one by default). Requests wait until `start`."""
        self.store = Store(file)
        self.api = Api(self.store)
        self.deliveries = Deliveries(self.store)
        self.control = Control(self.store, self.api, self.deliveries)
        self.pages = Pages(self.store)
        self.is_ticking = is_ticking
        self.ticked_at = 0.0
        self.http = _Server((HOST, port), _Handler)
        self.http.fake = self
        self.url = f"http://{HOST}:{self.http.server_address[1]}"
        self.store.base_url = self.url
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve from now on, in a thread."""
        self.deliveries.start()
        self.thread = threading.Thread(target=self.http.serve_forever, name="fakestripe", daemon=True)
        self.thread.start()

    def serve(self) -> None:
        """Serve until interrupted. Events that an earlier run could not deliver are sent again."""
        self.deliveries.start()
        with self.store.lock:
            waiting = [event["id"] for event in self.store.all("event") if event["pending_webhooks"]]
        self.deliveries.enqueue(waiting)
        try:
            self.http.serve_forever()
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

    def events(self, kind: str = "") -> list[Json]:
        """Return the events so far, oldest first; of one kind if it is given."""
        with self.store.lock:
            return [event for event in self.store.all("event") if kind in {"", event["type"]}]

    def signed(self, event: Json, secret: str, *, timestamp: int | None = None) -> tuple[bytes, str]:
        """Return the body and the `Stripe-Signature` header of an event."""
        with self.store.lock:
            body = body_of(self.store, event)
        return body, signature(body, secret, timestamp=int(time.time()) if timestamp is None else timestamp)

    def tick_now_and_then(self) -> None:
        """Run what is due at intervals, so that periods end by themselves in a demo."""
        if self.is_ticking and time.monotonic() - self.ticked_at > SECONDS_BETWEEN_TICKS:
            self.ticked_at = time.monotonic()
            self.control.tick()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeStripe

    def service_actions(self) -> None:
        self.fake.tick_now_and_then()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "FakeStripe"
    wbufsize = -1  # head and body are sent in one piece
    disable_nagle_algorithm = True
    server: _Server

    def respond(self) -> None:
        """Respond to a request of any method."""
        fake = self.server.fake
        url = urlsplit(self.path)
        body = self._body()
        if body is None:
            self._send(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, StripeError("The request is too large.").body))
        elif url.path.startswith("/v1/"):
            time.sleep(fake.api.latency_seconds)
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(fake.api.respond(self.command, url.path.removeprefix("/v1/"), url.query, headers, body))
        elif url.path.startswith("/_test/"):
            self._send(self._controlled(url.path.removeprefix("/_test/"), url.query, body))
        else:
            form = decode(body.decode(errors="replace"))
            self._send_page(fake.pages.respond(self.command, url.path, decode(url.query) | form))
        fake.control.flush()

    do_GET = do_POST = do_DELETE = do_HEAD = respond  # noqa: N815 - the names that http.server looks for

    def _controlled(self, path: str, query: str, body: bytes) -> Answer:
        if "Origin" in self.headers:
            return Answer(HTTPStatus.FORBIDDEN, StripeError("These routes are for programs, not for pages.").body)
        parameters = decode("&".join(filter(None, [query, body.decode()])))
        try:
            return Answer(HTTPStatus.OK, self.server.fake.control.respond(self.command, path, parameters))
        except StripeError as error:
            return Answer(error.status, error.body)
        except (KeyError, ValueError) as error:
            return Answer(HTTPStatus.BAD_REQUEST, StripeError(f"Missing or wrong: {error}").body)

    def _body(self) -> bytes | None:
        length = int(self.headers.get("content-length") or 0)
        return self.rfile.read(length) if length <= BODY_BYTES_MAX else None

    def _send(self, answer: Answer | None) -> None:
        if answer is None:  # planned by a test: the connection drops without a response
            self.close_connection = True
            return
        self._write(answer.status, "application/json", json.dumps(answer.body, indent=2).encode(), answer.headers)

    def _send_page(self, page: HtmlPage) -> None:
        # Pages of a payment provider are never framed or cached, and send no referrer.
        headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
        if page.location:
            headers["Location"] = page.location
        self._write(page.status, page.content_type, page.body, headers)

    def _write(self, status: int, content_type: str, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: `GET /_test/requests` lists the requests."""
