"""The fake over HTTP: the calls of Paddle for programs, pages for people, /_test/ for tests."""

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.workbench.fakepaddle import life
from config.workbench.fakepaddle.api import PaddleApi
from config.workbench.fakepaddle.pages import PaddlePages
from config.workbench.fakepaddle.past import add_past
from config.workbench.fakepaddle.store import Json, PaddleError, PaddleStore
from config.workbench.fakestripe.deliveries import Deliveries
from config.workbench.fakestripe.parameters import decode

HOST = "127.0.0.1"
BODY_BYTES_MAX = 5 * 1024 * 1024
SECONDS_BETWEEN_TICKS = 5


def signature(body: bytes, secret: str, *, timestamp: int) -> str:
    """Return the `Paddle-Signature` header of a body."""
    digest = hmac.new(secret.encode(), f"{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return f"ts={timestamp};h1={digest}"


class PaddleDeliveries(Deliveries):
    """The queue of the fake Stripe, with Paddle's body and signature."""

    def body_of(self, event: Json) -> bytes:
        return json.dumps(event["_payload"]).encode()

    def headers_of(self, body: bytes, secret: str) -> dict[str, str]:
        # The receiver compares with its own clock, so this is the real time and not the fake's.
        return {
            "Content-Type": "application/json",
            "Paddle-Signature": signature(body, secret, timestamp=int(time.time())),
            "Paddle-Version": "1",
            "User-Agent": "Paddle (fake)",
        }


class FakePaddle:
    """A running fake: its state, its webhooks and its server."""

    def __init__(self, *, port: int = 0, file: Path | None = None, is_ticking: bool = False) -> None:
        """Bind the port (any free one by default). Requests wait until `start`."""
        self.store = PaddleStore(file)
        self.api = PaddleApi(self.store)
        self.deliveries = PaddleDeliveries(self.store)
        self.pages = PaddlePages(self.store)
        self.is_ticking = is_ticking
        self.ticked_at = 0.0
        self.http = _PaddleServer((HOST, port), _PaddleHandler)
        self.http.fake = self
        self.url = self.store.base_url = f"http://{HOST}:{self.http.server_address[1]}"
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve from now on, in a thread."""
        self.deliveries.start()
        self.thread = threading.Thread(target=self.http.serve_forever, name="fakepaddle", daemon=True)
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

    def reset(self) -> None:
        """Forget everything."""
        self.deliveries.reset()
        with self.store.lock:
            self.store.clear()
            self.api.reset()

    def events(self, kind: str = "") -> list[Json]:
        """Return the events so far as they are sent, oldest first; of one kind if it is given."""
        with self.store.lock:
            found = [event["_payload"] for event in self.store.all("event")]
        return [event for event in found if kind in {"", event["event_type"]}]

    def act(self, what: str, id_: str) -> None:
        """Run what Paddle, its staff or a bank do: see ACTS."""
        with self.store.lock:
            ACTS[what](self.store, id_)
            self.store.commit()
        self.flush()

    def remember(self, given: Json) -> None:
        """Add a transaction that was paid earlier: see `add_past`."""
        with self.store.lock:
            add_past(self.store, given)
            self.store.commit()

    def advance(self, seconds: int) -> None:
        """Move the fake's clock, and renew what becomes due meanwhile."""
        with self.store.lock:
            self.store.advance(seconds)
            life.renew_due(self.store)
            self.store.commit()
        self.flush()

    def flush(self) -> None:
        """Queue the new events for delivery."""
        with self.store.lock:
            fresh, self.store.fresh_events = self.store.fresh_events, []
        if fresh:
            self.deliveries.enqueue([event["id"] for event in fresh])

    def tick_now_and_then(self) -> None:
        """Renew what is due at intervals, so that periods end by themselves in a demo."""
        if self.is_ticking and time.monotonic() - self.ticked_at > SECONDS_BETWEEN_TICKS:
            self.ticked_at = time.monotonic()
            self.advance(0)


def _of_subscription(event_type: str, **fields: Any) -> Any:
    return lambda store, id_: life.change_subscription(store, store.get("subscription", id_), event_type, **fields)


def _adjusted(kind: str) -> Any:
    return lambda store, id_: life.adjust(
        store, {"action": kind, "reason": "by a test", "transaction_id": id_, "type": "full"}
    )


def _collect_again(store: PaddleStore, id_: str) -> None:
    transaction = store.get("transaction", id_)
    life.collect(store, transaction, store.get("subscription", transaction["subscription_id"]))


ACTS = {
    "pause": _of_subscription("subscription.paused", status="paused"),
    "resume": _of_subscription("subscription.resumed", status="active"),
    "cancel": lambda store, id_: life.cancel(store, store.get("subscription", id_), is_now=True),
    "collect": _collect_again,
    "approve": lambda store, id_: life.decide(store, store.get("adjustment", id_), "approved"),
    "reject": lambda store, id_: life.decide(store, store.get("adjustment", id_), "rejected"),
    **{name: _adjusted(name) for name in ("refund", "chargeback", "chargeback_reverse", "chargeback_warning")},
}


class _PaddleServer(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakePaddle

    def service_actions(self) -> None:
        self.fake.tick_now_and_then()


class _PaddleHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "FakePaddle"
    wbufsize = -1  # head and body are sent in one piece
    disable_nagle_algorithm = True
    server: _PaddleServer

    def respond(self) -> None:
        """Respond to a request of any method."""
        fake, url = self.server.fake, urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(min(length, BODY_BYTES_MAX))
        if url.path.startswith("/_test/"):
            self._json(*self._controlled(url.path.removeprefix("/_test/"), decode(url.query)))
        elif "Authorization" in self.headers:
            key = self.headers["Authorization"]
            time.sleep(fake.api.latency_seconds)
            answer = fake.api.respond(self.command, url.path, url.query, key, body)
            if answer is None:  # planned by a test: the connection drops without a response
                self.close_connection = True
            else:
                self._json(*answer)
        else:
            shown = fake.pages.respond(
                self.command, url.path, decode(url.query) | decode(body.decode(errors="replace"))
            )
            headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
            headers |= {"Location": shown.location} if shown.location else {}
            self._write(shown.status, shown.content_type, shown.body, headers)
        fake.flush()

    do_GET = do_POST = do_PATCH = do_HEAD = respond  # noqa: N815 - the names that http.server looks for

    def _controlled(self, path: str, given: Json) -> tuple[int, Json]:
        """Run one request of a test; a page of another site cannot send it, since a browser names its origin."""
        fake = self.server.fake
        if "Origin" in self.headers:
            return 403, PaddleError("These routes are for programs, not for pages.").body
        try:
            if path == "advance":
                fake.advance(int(given["seconds"]))
            elif path == "fail":
                times, is_after = int(given.get("times", 1)), given.get("after") == "true"
                fake.api.fail(given["path"], status=int(given["status"]), times=times, is_after=is_after)
            elif path == "storm":
                fake.api.faults.begin_storm(seed=int(given.get("seed", 0)), rate=float(given["rate"]))
            elif path == "latency":
                fake.api.latency_seconds = float(given["seconds"])
            elif path == "past":
                fake.remember(given)
            elif path in ACTS:
                fake.act(path, given["id"])
            elif path != "health":
                return 404, PaddleError("There is no such test route.").body
        except (PaddleError, KeyError, ValueError) as error:
            return 400, PaddleError(f"Missing or wrong: {error}").body
        return 200, {"result": "ready"}

    def _json(self, status: int, body: Json) -> None:
        self._write(status, "application/json", json.dumps(body).encode(), {})

    def _write(self, status: int, content_type: str, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""
