"""A small VIES on a port of this machine that responds as a test has set."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

VALID = {"valid": True, "requestIdentifier": "WAPIAAAA1", "name": "ACME  GMBH", "address": "---"}
UNAVAILABLE = {"actionSucceed": False, "errorWrappers": [{"error": "MS_UNAVAILABLE"}]}


@dataclass
class Vies:
    """The responses by number without its country, and the requests so far."""

    url: str
    answers: dict[str, object] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def vies_server() -> Iterator[Vies]:
    """Run the server for the time of a test."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            vies.asked.append(question)
            answer = vies.answers.get(question["vatNumber"], {"valid": False})
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    vies = Vies(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield vies
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
