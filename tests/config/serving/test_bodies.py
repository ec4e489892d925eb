"""A body is read whole before a thread gets the request, in bounded time and memory."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from config.serving.bodies import BODY_BYTES_MAX, MEMORY_BYTES_MAX, BodyTooSlowError, Patience, receive
from tests.config.serving.test_environ import Headers

PATIENCE = Patience(seconds=1, bytes_a_second=1_000_000)


class Sender:
    """Sends pieces with a pause in front of each, as granian passes them on."""

    def __init__(self, *pieces: bytes, pause_seconds: int = 0) -> None:
        self._pieces, self._pause = pieces, pause_seconds
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(self._pause)
            self.sent += 1
            yield piece

    async def __call__(self) -> bytes:
        return b"".join([piece async for piece in self])


def received(sender: Sender, **headers: str) -> tuple[bytes, int | None]:
    items = [(name.replace("_", "-"), value) for name, value in headers.items()]
    body, length = asyncio.run(receive(Headers(*items), sender, PATIENCE))
    with body:
        return body.read(), length


def test_a_request_without_a_body_has_none() -> None:
    assert received(Sender(b"x")) == (b"", None)
    assert received(Sender(b"x"), content_length="0") == (b"", 0)


def test_a_body_is_read_to_its_end() -> None:
    assert received(Sender(b"ab", b"c"), content_length="3") == (b"abc", 3)
    assert received(Sender(b"ab", b"c"), transfer_encoding="chunked") == (b"abc", 3)


def test_a_large_body_is_stored_in_a_file_until_it_is_whole() -> None:
    body, _ = asyncio.run(
        receive(
            Headers(("content-length", str(4 * MEMORY_BYTES_MAX))), Sender(*[b"x" * MEMORY_BYTES_MAX] * 4), PATIENCE
        )
    )
    with body:
        assert len(body.read()) == 4 * MEMORY_BYTES_MAX
        assert body._rolled


def test_a_body_announced_as_too_large_is_not_read() -> None:
    sender = Sender(b"x")
    assert received(sender, content_length=str(BODY_BYTES_MAX + 1)) == (b"", BODY_BYTES_MAX + 1)
    assert not sender.sent


def test_an_unannounced_body_that_is_too_large_is_not_read_to_its_end() -> None:
    sender = Sender(*[b"x" * 1024 * 1024] * 20)
    body, length = received(sender, transfer_encoding="chunked")
    assert length == len(body) == BODY_BYTES_MAX + 1024 * 1024
    assert sender.sent == 9


@pytest.mark.takes_long("it waits for a deadline")
@pytest.mark.parametrize("headers", [{"content_length": "9"}, {"transfer_encoding": "chunked"}])
def test_a_slow_body_ends_at_the_deadline(headers: dict[str, str]) -> None:
    patience = {"transfer_encoding": Patience(1, BODY_BYTES_MAX * 10)}.get(next(iter(headers)), PATIENCE)
    items = [(name.replace("_", "-"), value) for name, value in headers.items()]
    started = time.monotonic()
    with pytest.raises(BodyTooSlowError):
        asyncio.run(receive(Headers(*items), Sender(*[b"x"] * 9, pause_seconds=30), patience))
    assert time.monotonic() - started < 5


def test_the_deadline_of_a_body_depends_on_its_size() -> None:
    assert Patience(10, 32_768).of(5 * 1024 * 1024) == 170
