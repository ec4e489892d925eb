"""Batches over HTTP, against a server that fails in each way before it responds."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from metering.gateways.event_api import BatchOutcome, EventApi, RejectedItem, SendingFailedError

REFUSED = b'{"index": 0, "id": null, "code": "c", "detail": "d"}'
OK = (200, b'{"accepted": 1, "duplicates": 1, "rejected": 1, "results": [%s]}' % REFUSED)
ALL_REFUSED = (422, b'{"code": "all_events_rejected", "accepted": 0, "duplicates": 0, "rejected": 0, "results": []}')


class Server(ThreadingHTTPServer):
    """Sends its responses in turn; one of status 0 cuts the connection."""

    responses: list[tuple[int, bytes]]
    received: list[bytes]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = self.server.responses.pop(0)
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "3")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Write nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server(("127.0.0.1", 0), Handler)
    started.received = []
    thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield started
    started.shutdown()
    started.server_close()
    thread.join(timeout=5)


def api(server: Server, pauses: list[float]) -> EventApi:
    return EventApi(f"http://127.0.0.1:{server.server_port}/", "ch_test_x", pause=pauses.append)


def test_the_same_lines_are_sent_again_until_there_is_an_answer(server: Server) -> None:
    server.responses = [(503, b"{}"), (0, b""), (429, b"busy"), OK, ALL_REFUSED]
    pauses: list[float] = []
    client = api(server, pauses)
    assert client.send([b"a", b"b"]) == BatchOutcome(1, 1, [RejectedItem(0, "c", "d")])
    assert set(server.received) == {b"a\nb"}
    assert pauses == [3, 1, 3]
    assert client.send([b"c"]) == BatchOutcome(0, 0, [])


@pytest.mark.parametrize(
    ("status", "body", "words", "tries"),
    [(401, b'{"detail": "No such key."}', "401: No such key.", 1), (422, b'{"detail": "No."}', "422: No.", 1),
     (200, b"<html>", "not one of this product", 1), (503, b"{}", "503", 5)],
)  # fmt: skip
def test_a_refusal_of_the_whole_batch_is_told(server: Server, status: int, body: bytes, words: str, tries: int) -> None:
    server.responses = [(status, body)] * 5
    with pytest.raises(SendingFailedError, match=words):
        api(server, []).send([b"a"])
    assert len(server.received) == tries


def test_a_server_that_is_away_is_named(server: Server) -> None:
    server.responses = [(0, b"")] * 5
    with pytest.raises(SendingFailedError, match="cannot be reached"):
        api(server, []).send([b"a"])
