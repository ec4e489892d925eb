"""A streamed response is made part by part, and holds no thread between two parts."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import StreamingHttpResponse

from config.serving.application import Application
from config.serving.bodies import Patience
from config.serving.pools import Pool, Pools
from config.serving.streams import MEMORY_BYTES_MAX, StreamedAnswer, keep


@dataclass
class Line:
    """A client, which may go when it has waited for so many parts."""

    made: list[int] = field(default_factory=list)
    goes_after: int | None = None
    statuses: list[int] = field(default_factory=list)
    lengths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def response_bytes(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self.statuses.append(status)
        self.lengths += [value for name, value in headers if name == "content-length"]
        self.bodies.append(body)

    def response_file(self, status: int, headers: Sequence[tuple[str, str]], file: str) -> None:
        self.response_bytes(status, headers, Path(file).read_bytes())

    async def client_disconnect(self) -> None:
        while self.goes_after is None or len(self.made) < self.goes_after:
            await asyncio.sleep(0)


@dataclass
class Streamed:
    """An application whose responses are the parts."""

    parts: Callable[[], Iterator[bytes]]
    closed: list[str] = field(default_factory=list)

    def __call__(self, _environ: object, start: Callable[..., None]) -> StreamingHttpResponse:
        start("200 OK", [("Content-Type", "application/x-ndjson")])
        response = StreamingHttpResponse(self.parts())
        response.close = lambda: self.closed.append(threading.current_thread().name)  # type: ignore[method-assign]
        return response


def ask(application: Streamed, line: Line, *, method: str = "GET") -> None:
    pools = Pools(api=Pool("api", threads=1, waiting_max=2), pages=Pool("pages", threads=1, waiting_max=1))
    scope: Any = SimpleNamespace(
        path="/api/v1/events", method=method, query_string="", headers={}, http_version="1.1", scheme="http",
        server="localhost:80", client="127.0.0.1:5000",
    )  # fmt: skip
    try:
        asyncio.run(Application(application, pools, Patience(1, 1)).__rsgi__(scope, line))  # type: ignore[arg-type]
    finally:
        pools.close()


@pytest.mark.parametrize("size", [1, MEMORY_BYTES_MAX])
def test_a_streamed_response_is_sent_whole_with_its_length(size: int) -> None:
    names: list[str] = []

    def parts() -> Iterator[bytes]:
        for number in range(3):
            names.append(threading.current_thread().name)
            yield str(number).encode() * size

    application, line = Streamed(parts), Line()
    ask(application, line)
    assert (line.statuses, line.lengths) == ([200], [str(3 * size)])
    assert line.bodies == [b"".join(str(number).encode() * size for number in range(3))]
    assert all(name.startswith("api") for name in names)
    assert len(application.closed) == 1


def test_other_requests_take_the_thread_between_two_parts() -> None:
    order: list[str] = []

    def parts() -> Iterator[bytes]:
        for number in range(3):
            order.append(f"part {number}")
            yield b"x"

    async def both() -> None:
        pool = Pool("api", threads=1, waiting_max=5)
        kept = asyncio.ensure_future(keep(StreamedAnswer(200, [], parts(), lambda: None), pool, Line()))
        await asyncio.sleep(0)
        await pool.run(lambda: order.append("another"))
        await kept
        pool.close()

    asyncio.run(both())
    assert order.index("another") < order.index("part 2")


def test_a_client_that_goes_ends_the_work() -> None:
    line = Line(goes_after=3)

    def parts() -> Iterator[bytes]:
        for number in range(100_000):
            line.made.append(number)
            yield b"x"

    application = Streamed(parts)
    ask(application, line)
    assert (line.statuses, len(application.closed)) == ([], 1)
    assert len(line.made) < 100_000


def test_an_error_on_the_way_sends_nothing() -> None:
    def parts() -> Iterator[bytes]:
        yield b"1"
        raise RuntimeError("the database has gone")

    application, line = Streamed(parts), Line()
    with pytest.raises(RuntimeError):
        ask(application, line)
    assert (line.statuses, len(application.closed)) == ([], 1)


def test_an_empty_stream_and_a_question_for_its_headers_have_no_body() -> None:
    line = Line()
    for method in ("GET", "HEAD"):
        ask(Streamed(lambda: iter(())), line, method=method)
    assert (line.statuses, line.bodies, line.lengths) == ([200, 200], [b"", b""], ["0"])
