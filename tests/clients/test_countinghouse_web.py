"""`docs/clients/countinghouse_web.py`: each response of Django, FastAPI and Flask is one event, whatever it is."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final

import flask
import pytest
from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from tests.clients.sources import client_module

DEADLINE_SECONDS: Final = 30
web = client_module("countinghouse_web")
Seen = list[tuple[str, str, int, int]]


class Recorder:
    """Stands in for a client, which has tests of its own."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.is_full = False

    def record(self, type: str, **fields: Any) -> None:  # noqa: A002 - the client's name
        if self.is_full:
            raise client_module().SpoolFullError("full")
        self.events.append({"type": type, **fields})

    @property
    def seen(self) -> Seen:
        names = ("http_method", "resource_path", "status", "response_length")
        return [tuple(event["properties"][name] for name in names) for event in self.events]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


# Django


def answer_of_django(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    if request.path == "/stream":
        return StreamingHttpResponse(iter([b"one", b"three"]))
    if request.path == "/file":
        return StreamingHttpResponse(iter([b"12345"]), headers={"Content-Length": "5"})
    return HttpResponse(b"hello", status=404 if request.path == "/missing" else 200)


def test_django_records_each_response(recorder: Recorder) -> None:
    respond = web.DjangoMiddleware(answer_of_django, recorder)
    requests = RequestFactory()
    for request in (requests.get("/a?secret=1"), requests.head("/a"), requests.post("/missing"), requests.get("/file")):
        respond(request)
    stream = respond(requests.get("/stream"))
    assert len(recorder.events) == 4
    assert b"".join(stream) == b"onethree"
    cut_off = respond(requests.get("/stream"))
    assert next(iter(cut_off)) == b"one"
    cut_off.close()
    del cut_off
    assert recorder.seen == [
        ("GET", "/a", 200, 5), ("HEAD", "/a", 200, 0), ("POST", "/missing", 404, 5), ("GET", "/file", 200, 5),
        ("GET", "/stream", 200, 8), ("GET", "/stream", 200, 3),
    ]  # fmt: skip


def test_django_on_the_event_loop_stays_there(recorder: Recorder) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"three"

    async def respond_to(request: ASGIRequest) -> HttpResponse | StreamingHttpResponse:
        return StreamingHttpResponse(parts()) if request.path == "/stream" else HttpResponse(b"hello")

    respond = web.DjangoMiddleware(respond_to, recorder)
    assert iscoroutinefunction(respond)

    async def ask() -> list[bytes]:
        await respond(RequestFactory().get("/a"))
        return [part async for part in await respond(RequestFactory().get("/stream"))]

    assert asyncio.run(ask()) == [b"one", b"three"]
    assert recorder.seen == [("GET", "/a", 200, 5), ("GET", "/stream", 200, 8)]


# FastAPI


def fastapi_app() -> FastAPI:
    app = FastAPI()

    @app.get("/orders/{number}")
    def order(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"one", b"three"]))

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError

    return app


async def ask_asgi(app: Any, method: str, path: str) -> int:
    """Send one request, and return the status."""
    sent: list[dict[str, Any]] = []
    bodies = [b""]

    async def receive() -> dict[str, Any]:
        if not bodies:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await asyncio.get_running_loop().create_future()  # the client stays
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path}
    await app(
        scope | {"raw_path": path.encode(), "query_string": b"secret=1", "headers": [], "scheme": "http"}, receive, send
    )
    return int(sent[0]["status"])


def test_fastapi_records_each_response_and_errors(recorder: Recorder) -> None:
    base: Any = web.AsgiMiddleware

    class Metering(base):
        def event_of(self, request: dict[str, Any], event: dict[str, Any]) -> dict[str, Any] | None:
            return None if request["path"] == "/health" else {**event, "subject": "ann"}

    app = fastapi_app()
    app.add_middleware(Metering, client=recorder)
    for path in ("/orders/7", "/orders/x", "/stream", "/health"):
        asyncio.run(ask_asgi(app, "GET", path))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask_asgi(app, "GET", "/broken"))
    assert [row[:3] for row in recorder.seen] == [
        ("GET", "/orders/7", 200), ("GET", "/orders/x", 422), ("GET", "/stream", 200), ("GET", "/broken", 500),
    ]  # fmt: skip
    assert (recorder.seen[0][3], recorder.seen[2][3]) == (len('{"number":7}'), 8)
    assert {event["subject"] for event in recorder.events} == {"ann"}


def test_a_response_is_recorded_before_its_background_tasks_and_once(recorder: Recorder) -> None:
    seen_by_task: list[int] = []

    async def app(scope: dict[str, Any], receive: object, send: Callable[..., Any]) -> None:
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})
        seen_by_task.append(len(recorder.events))

    asyncio.run(ask_asgi(web.AsgiMiddleware(app, recorder), "POST", "/jobs"))
    assert (seen_by_task, recorder.seen) == ([1], [("POST", "/jobs", 202, 6)])


def test_other_than_http_passes_unseen(recorder: Recorder) -> None:
    seen = []

    async def app(scope: dict[str, Any], receive: object, send: object) -> None:
        seen.append(scope["type"])

    asyncio.run(web.AsgiMiddleware(app, recorder)({"type": "lifespan"}, None, None))
    assert (seen, recorder.events) == (["lifespan"], [])


# Flask


def flask_app() -> flask.Flask:
    app = flask.Flask("shop")

    @app.get("/orders/<int:number>")
    def order(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/stream")
    def stream() -> flask.Response:
        return flask.Response(iter(["one", "three"]))

    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError

    return app


def test_flask_records_each_response_and_errors(recorder: Recorder) -> None:
    app = flask_app()
    app.wsgi_app = web.WsgiMiddleware(app.wsgi_app, recorder)  # type: ignore[method-assign]
    client = app.test_client()
    for path in ("/orders/7?secret=1", "/nothing", "/stream", "/broken"):
        client.get(path, buffered=True).close()
    client.head("/orders/7").close()
    length = len(client.get("/orders/7", buffered=True).data)
    assert [row[:3] for row in recorder.seen[:4]] == [
        ("GET", "/orders/7", 200), ("GET", "/nothing", 404), ("GET", "/stream", 200), ("GET", "/broken", 500),
    ]  # fmt: skip
    assert recorder.seen[2][3] == 8
    assert recorder.seen[4:] == [("HEAD", "/orders/7", 200, 0), ("GET", "/orders/7", 200, length)]


def test_an_application_that_dies_is_recorded_once_as_500(recorder: Recorder) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        web.WsgiMiddleware(app, recorder)({"REQUEST_METHOD": "GET", "PATH_INFO": "/\xc3\xa9"}, lambda *_: None)
    assert recorder.seen == [("GET", "/é", 500, 0)]


def test_a_body_is_closed_and_recorded_even_if_nobody_reads_it(recorder: Recorder) -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"unread"

        def close(self) -> None:
            closed.append(1)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body()

    web.WsgiMiddleware(app, recorder)({"REQUEST_METHOD": "GET", "PATH_INFO": "/a"}, lambda *_: None).close()
    assert (closed, recorder.seen) == ([1], [("GET", "/a", 200, 0)])


def test_serving_goes_on_while_nothing_can_be_recorded(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    recorder.is_full = True
    response = web.DjangoMiddleware(answer_of_django, recorder)(RequestFactory().get("/a"))
    assert (response.status_code, recorder.events) == (200, [])
    assert "A response was not metered." in caplog.text
