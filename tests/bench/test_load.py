"""The load generators count what a server saw: the one in C, and its substitute in Python."""

import re
import shutil
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.bench import load
from tests.bench.load import NUMBER, UnexpectedStatusError, measure, request_bytes


class Server(ThreadingHTTPServer):
    """A server that keeps the numbers that it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.numbers: list[bytes] = []
        self.status = 201


class Handler(BaseHTTPRequestHandler):
    """Responds to each request with the server's status."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.numbers += re.findall(rb"\d{12}", body)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        Thread(target=one.serve_forever, daemon=True).start()
        yield one
        one.shutdown()


@pytest.fixture(params=["compiled", "python"])
def _generator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compiled" and not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    if request.param == "python":
        monkeypatch.setattr(load, "generator", lambda: (sys.executable, str(load._FOLDER / "load_client.py")))


@pytest.mark.usefixtures("_generator")
def test_each_request_has_its_own_numbers_and_each_response_is_counted(server: Server) -> None:
    body = f"[{NUMBER},{NUMBER}]".encode()
    result = measure(server.server_port, [request_bytes("POST", "/", body)], clients=3, seconds=0.1, expected=201)
    assert result.statuses == {201: len(server.numbers) // 2}
    assert len(set(server.numbers)) == len(server.numbers)
    assert 0 < result.responses <= result.statuses[201] - 3
    assert 0 < result.p50_ms <= result.p99_ms


@pytest.mark.usefixtures("_generator")
def test_another_status_is_an_error_that_shows_the_response(server: Server) -> None:
    server.status = 503
    with pytest.raises(UnexpectedStatusError, match=r"503.*\{\}"):
        measure(server.server_port, [request_bytes("POST", "/")], clients=1, seconds=0.01, expected=201)
