"""A server that speaks `POST /api/v1/events` and returns what a test tells it; by default it stores each id once."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

HANG_UP: Final = 0


@dataclass(frozen=True)
class Answer:
    """What is answered: a status, or `HANG_UP` for a connection that ends without one."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_stored: bool = False  # whether the events are stored although the answer says something else


@dataclass
class ScriptedServer:
    """What was received, and what to answer next."""

    port: int = 0
    script: list[Answer] = field(default_factory=list)
    refuse: Callable[[dict[str, Any]], str] = lambda _: ""
    events_max: int = 5000
    batches: list[list[dict[str, Any]]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    duplicates: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, events: list[dict[str, Any]]) -> Answer:
        """Return the next answer of the script, or what the product would answer."""
        self.batches.append(events)
        scripted = self.script.pop(0) if self.script else None
        if scripted and not scripted.is_stored:
            return scripted
        if len(events) > self.events_max:
            return Answer(413, {"code": "too_large", "detail": "Too large."})
        rows = [
            {"index": index, "id": event["id"], "code": code, "detail": f"No {code}."}
            for index, event in enumerate(events)
            if (code := self.refuse(event))
        ]
        refused = {row["index"] for row in rows}
        before = len(self.stored)
        self.stored |= {event["id"]: event for index, event in enumerate(events) if index not in refused}
        accepted = len(self.stored) - before
        known = len(events) - len(rows) - accepted  # stored before, or earlier in this batch
        self.duplicates += known
        if len(rows) == len(events):
            return scripted or Answer(422, {"code": "all_events_rejected", "results": rows})
        body = {"accepted": accepted, "duplicates": known, "rejected": len(rows), "results": rows}
        return scripted or Answer(200, body)


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """Start the server on a port of its own."""
    scripted = ScriptedServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            scripted.headers.append(dict(self.headers))
            answer = scripted.answer(json.loads(gzip.decompress(body))["events"])
            if answer.status == HANG_UP:
                self.close_connection = True
                return
            text = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scripted.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
