"""The fake over HTTP: the calls of Paddle for programs, pages for people, /_test/ for tests."""

import hashlib
import hmac
import json
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from config.workbench.fakepaddle import life
from config.workbench.fakepaddle.api import PaddleApi
from config.workbench.fakepaddle.pages import PaddlePages
from config.workbench.fakepaddle.past import add_past
from config.workbench.fakepaddle.store import Json, PaddleError, PaddleStore
from config.workbench.fakestripe.deliveries import Deliveries
from config.workbench.fakestripe.fake_provider import FakeHandler, FakeProvider
from config.workbench.fakestripe.parameters import decode


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


class _PaddleHandler(FakeHandler):
    server_version = "FakePaddle"

    def respond(self) -> None:
        """Respond to a request of any method."""
        fake, url = cast("FakePaddle", self.server.fake), urlsplit(self.path)
        body = self.body()
        if body is None:
            self.send_json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, PaddleError("The request is too large.").body)
        elif url.path.startswith("/_test/"):
            self.send_json(*self._controlled(fake, url.path.removeprefix("/_test/"), decode(url.query)))
        elif "Authorization" in self.headers:
            key = self.headers["Authorization"]
            time.sleep(fake.api.latency_seconds)
            answer = fake.api.respond(self.command, url.path, url.query, key, body)
            if answer is None:
                self.drop()
            else:
                self.send_json(*answer)
        else:
            form = decode(body.decode(errors="replace"))
            self.send_page(fake.pages.respond(self.command, url.path, decode(url.query) | form))
        fake.flush()

    do_GET = do_POST = do_PATCH = do_HEAD = respond  # noqa: N815 - the names that http.server looks for

    def _controlled(self, fake: "FakePaddle", path: str, given: Json) -> tuple[int, Json]:
        """Run one request of a test; a page of another site cannot send it, since a browser names its origin."""
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


class FakePaddle(FakeProvider):
    """A running fake: its state, its webhooks and its server."""

    name = "fakepaddle"
    handler = _PaddleHandler

    def __init__(self, *, port: int = 0, file: Path | None = None, is_ticking: bool = False) -> None:
        """Bind the port (any free one by default). Requests wait until `start`."""
        self.store = PaddleStore(file)
        self.api = PaddleApi(self.store)
        self.pages = PaddlePages(self.store)
        super().__init__(self.store, PaddleDeliveries(self.store), port=port, is_ticking=is_ticking)

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

    def tick(self) -> None:
        """Renew what is due by the fake's clock."""
        self.advance(0)
