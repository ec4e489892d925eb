"""The fake over HTTP: /v1/ for programs, pages for people, /_test/ for tests."""

import time
from http import HTTPStatus
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from config.workbench.fakestripe.api import Answer, Api
from config.workbench.fakestripe.control import Control
from config.workbench.fakestripe.deliveries import Deliveries, body_of, signature
from config.workbench.fakestripe.errors import Json, StripeError
from config.workbench.fakestripe.fake_provider import FakeHandler, FakeProvider
from config.workbench.fakestripe.pages import Pages
from config.workbench.fakestripe.parameters import decode
from config.workbench.fakestripe.store import Store


class _StripeHandler(FakeHandler):
    server_version = "FakeStripe"

    def respond(self) -> None:
        """Respond to a request of any method."""
        fake = cast("FakeStripe", self.server.fake)
        url = urlsplit(self.path)
        body = self.body()
        if body is None:
            self._send(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, StripeError("The request is too large.").body))
        elif url.path.startswith("/v1/"):
            time.sleep(fake.api.latency_seconds)
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(fake.api.respond(self.command, url.path.removeprefix("/v1/"), url.query, headers, body))
        elif url.path.startswith("/_test/"):
            self._send(self._controlled(fake, url.path.removeprefix("/_test/"), url.query, body))
        else:
            form = decode(body.decode(errors="replace"))
            self.send_page(fake.pages.respond(self.command, url.path, decode(url.query) | form))
        fake.control.flush()

    do_GET = do_POST = do_DELETE = do_HEAD = respond  # noqa: N815 - the names that http.server looks for

    def _controlled(self, fake: "FakeStripe", path: str, query: str, body: bytes) -> Answer:
        if "Origin" in self.headers:
            return Answer(HTTPStatus.FORBIDDEN, StripeError("These routes are for programs, not for pages.").body)
        parameters = decode("&".join(filter(None, [query, body.decode()])))
        try:
            return Answer(HTTPStatus.OK, fake.control.respond(self.command, path, parameters))
        except StripeError as error:
            return Answer(error.status, error.body)
        except (KeyError, ValueError) as error:
            return Answer(HTTPStatus.BAD_REQUEST, StripeError(f"Missing or wrong: {error}").body)

    def _send(self, answer: Answer | None) -> None:
        if answer is None:
            self.drop()
        else:
            self.send_json(answer.status, answer.body, answer.headers)


class FakeStripe(FakeProvider):
    """A running fake: its state, its webhooks and its server."""

    name = "fakestripe"
    handler = _StripeHandler

    def __init__(self, *, port: int = 0, file: Path | None = None, is_ticking: bool = False) -> None:
        """Bind the port (any free one by default). Requests wait until `start`."""
        self.store = Store(file)
        self.api = Api(self.store)
        deliveries = Deliveries(self.store)
        self.control = Control(self.store, self.api, deliveries)
        self.pages = Pages(self.store)
        super().__init__(self.store, deliveries, port=port, is_ticking=is_ticking)

    def events(self, kind: str = "") -> list[Json]:
        """Return the events so far, oldest first; of one kind if it is given."""
        with self.store.lock:
            return [event for event in self.store.all("event") if kind in {"", event["type"]}]

    def signed(self, event: Json, secret: str, *, timestamp: int | None = None) -> tuple[bytes, str]:
        """Return the body and the `Stripe-Signature` header of an event."""
        with self.store.lock:
            body = body_of(self.store, event)
        return body, signature(body, secret, timestamp=int(time.time()) if timestamp is None else timestamp)

    def tick(self) -> None:
        """Run what is due by the fake's clock."""
        self.control.tick()
