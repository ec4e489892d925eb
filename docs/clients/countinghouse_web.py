"""Record each response of a web application as an event. Copy this file and `countinghouse.py` into your project.

The middlewares share one client in each process, which COUNTINGHOUSE_URL, COUNTINGHOUSE_API_KEY and COUNTINGHOUSE_SPOOL
configure; or give them a client. Each response is one event of type `http_request`, recorded when its last byte is
handed over: also errors, streams, and responses that the other side does not wait for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from countinghouse import Client, Event

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction  # Django brings it
except ImportError:
    iscoroutinefunction = markcoroutinefunction = None

log = logging.getLogger("countinghouse")
_client: list[Client] = []
_client_lock = threading.Lock()


def client_of_process() -> Client:
    """Return the client that the middlewares of this process share, created from the environment."""
    with _client_lock:
        if not _client:
            _client.append(Client.from_environment())
        return _client[0]


class _Middleware:
    """Records each response. Override `event_of` to add a subject, to choose a type, or to leave responses out."""

    def __init__(self, app: Any, client: Client | None = None) -> None:
        self.app = app
        self.client = client or client_of_process()

    def event_of(self, request: Any, event: Event) -> Event | None:
        """Return the arguments of `Client.record`, or None to record nothing.

        `request` is Django's HttpRequest, ASGI's scope or WSGI's environ. Each event has an id of its own; set `id`
        only to one that your own gateway makes, never to one that a client may choose.
        """
        del request
        return event

    def record(self, request: Any, *, method: str, path: str, status: int, length: int) -> None:
        """Record one response. Serving goes on whatever happens here; what happens is logged."""
        properties = {"http_method": method, "resource_path": path[:1024], "status": status, "response_length": length}
        try:
            event = self.event_of(request, {"type": "http_request", "properties": properties})
            if event is not None:
                self.client.record(**event)
        except Exception:
            log.exception("A response was not metered.")


class DjangoMiddleware(_Middleware):
    """Django's, for WSGI and ASGI: `MIDDLEWARE = ["countinghouse.DjangoMiddleware", ...]`, before all others."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any, client: Client | None = None) -> None:
        super().__init__(get_response, client)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        return self._respond(request) if self._is_async else self._metered(request, self.app(request))

    async def _respond(self, request: Any) -> Any:
        return self._metered(request, await self.app(request))

    def _metered(self, request: Any, response: Any) -> Any:
        """Record the response; one that streams when its last part is sent, unless it says how long it is."""
        said = response.get("Content-Length", "")
        if not response.streaming or said.isdigit():
            self._note(request, response, int(said) if said.isdigit() else len(response.content))
        elif response.is_async:
            response.streaming_content = self._counted_async(request, response, response.streaming_content)
        else:
            response.streaming_content = self._counted(request, response, response.streaming_content)
        return response

    def _note(self, request: Any, response: Any, length: int) -> None:
        length = 0 if request.method == "HEAD" else length
        self.record(request, method=request.method, path=request.path, status=response.status_code, length=length)

    def _counted(self, request: Any, response: Any, parts: Iterable[bytes]) -> Iterator[bytes]:
        length = 0
        try:
            for part in parts:
                length += len(part)
                yield part
        finally:
            self._note(request, response, length)

    async def _counted_async(self, request: Any, response: Any, parts: Any) -> Any:
        length = 0
        try:
            async for part in parts:
                length += len(part)
                yield part
        finally:
            self._note(request, response, length)


class AsgiMiddleware(_Middleware):
    """For FastAPI and Starlette: `app.add_middleware(countinghouse.AsgiMiddleware)`; for others it wraps the app."""

    async def __call__(
        self, scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, length, is_recorded = 500, 0, False  # until the application says otherwise

        def record() -> None:
            nonlocal is_recorded
            if not is_recorded:
                is_recorded = True
                self.record(scope, method=scope["method"], path=scope["path"], status=status, length=length)

        async def counted(message: Event) -> None:
            nonlocal status, length
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and scope["method"] != "HEAD":
                length += len(message.get("body", b""))
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                record()  # the application may go on with background tasks

        try:
            await self.app(scope, receive, counted)
        finally:
            record()


class WsgiMiddleware(_Middleware):
    """For Flask: `app.wsgi_app = countinghouse.WsgiMiddleware(app.wsgi_app)`; for others it wraps the app."""

    def __call__(self, environ: Event, start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = _WsgiResponse(self, environ)

        def started(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            response.status = int(status[:3])
            return start_response(status, headers, *error)

        try:
            response.parts = self.app(environ, started)
        except BaseException:
            response.status = 500
            response.note()
            raise
        return response


class _WsgiResponse:
    """A body that is recorded when the server closes it, which it always does."""

    def __init__(self, middleware: WsgiMiddleware, environ: Event) -> None:
        self.parts: Iterable[bytes] = ()
        self.status, self.length = 500, 0
        self._middleware, self._environ = middleware, environ

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            self.length += len(part)
            yield part

    def close(self) -> None:
        try:
            if hasattr(self.parts, "close"):
                self.parts.close()
        finally:
            self.note()

    def note(self) -> None:
        method, path = self._environ["REQUEST_METHOD"], self._environ.get("PATH_INFO", "")
        path = self._environ.get("SCRIPT_NAME", "") + path.encode("latin-1").decode("utf-8", "replace")
        length = 0 if method == "HEAD" else self.length
        self._middleware.record(self._environ, method=method, path=path, status=self.status, length=length)
