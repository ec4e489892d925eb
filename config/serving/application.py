"""The application that granian calls for each request: `config.serving.application:application`."""

from config.wsgi import application as wsgi_application  # first: loads the apps whose modules follow

# isort: split

import json
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol

from django.conf import settings
from django.utils import timezone
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined] # exported for such use, though not by __all__

from accounts.domain.identifiers import uuid7
from accounts.tracing import is_traced
from config.serving.bodies import BodyTooSlowError, Patience, Source, receive
from config.serving.environ import HeaderError, RequestScope, environ_of
from config.serving.pools import Pool, PoolFullError, Pools
from config.serving.short_way import Answer, Environ, ShortWay
from config.serving.streams import FileAnswer, FileExchange, StreamedAnswer, keep
from config.startup import bound_waits_for_database

# How often a computing page yields to the API's thread; with Python's own 200 each step of an event waits 5 ms.
SWITCHES_A_SECOND: Final = 2000
RETRY_AFTER_SECONDS: Final = 2


class Exchange(Source, FileExchange, Protocol):
    """A request's body and the way to respond, as granian passes them."""

    def response_bytes(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None: ...


class Application:
    """Django behind two pools of threads, in granian's own interface (RSGI)."""

    def __init__(
        self,
        wsgi: Callable[..., Iterable[bytes]],
        pools: Pools,
        patience: Patience,
        short_way: ShortWay | None = None,
    ) -> None:
        self._wsgi = wsgi
        self._pools = pools
        self._patience = patience
        self._short_way = short_way

    def __rsgi_init__(self, loop: AbstractEventLoop) -> None:
        """Prepare the process."""
        sys.setswitchinterval(1 / SWITCHES_A_SECOND)
        if self._short_way:
            self._short_way.start()

    def __rsgi_del__(self, loop: AbstractEventLoop) -> None:
        """Finish the requests in progress."""
        if self._short_way:
            loop.run_until_complete(self._short_way.close())
        self._pools.close()

    async def __rsgi__(self, scope: RequestScope, exchange: Exchange) -> None:
        """Respond to one request."""
        try:
            answer = await self._respond(scope, exchange)
        except ProtocolClosed:
            return  # the client has gone
        if isinstance(answer, FileAnswer):
            answer.send(exchange)
        else:
            exchange.response_bytes(*answer)

    async def _respond(self, scope: RequestScope, exchange: Exchange) -> Answer | FileAnswer:
        try:
            body, length = await receive(scope.headers, exchange, self._patience)
            with body:
                environ = environ_of(scope, body, length)
                if self._short_way and (quick := await self._short_way.respond(environ)) is not None:
                    return quick
                body.seek(0)
                pool = self._pools.of_path(scope.path)
                answer = await pool.run(partial(self._run, environ))
                if isinstance(answer, StreamedAnswer):
                    return await keep(answer, pool, exchange)
                if self._short_way:
                    self._short_way.learn(environ, answer)
                return answer
        except BodyTooSlowError:
            return _refusal(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time.")
        except HeaderError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, str(error))
        except PoolFullError:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests are waiting. Try again in a moment.")

    def _run(self, environ: Environ) -> Answer | StreamedAnswer:
        """Return Django's response, in a thread."""
        begun: list[tuple[int, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            begun.append((int(status[:3]), headers))

        parts = self._wsgi(environ, start)
        if getattr(parts, "streaming", False) and environ["REQUEST_METHOD"] != "HEAD":
            status, headers = begun[-1]
            return StreamedAnswer(status, _sent(headers), iter(parts), parts.close)  # type: ignore[attr-defined] # Django's
        try:
            body = b"".join(parts)
        finally:
            if close := getattr(parts, "close", None):
                close()
        status, headers = begun[-1]
        return status, _sent(headers), body


def _sent(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, _as_sent(value)) for name, value in headers]


def _as_sent(value: str) -> str:
    """Encode a header's value so that granian, which writes UTF-8, sends the bytes that WSGI means: Latin-1's."""
    return value if value.isascii() else value.encode("latin-1").decode("utf-8", "replace")


def _refusal(status: HTTPStatus, detail: str) -> Answer:
    """Return a problem (RFC 9457) for a request that Django does not see."""
    problem = {
        "type": f"/docs/errors#{status.name.lower()}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": status.name.lower(),
        "request_id": str(uuid7(timezone.now())),
    }
    headers = [("content-type", "application/problem+json"), ("connection", "close")]
    if status is not HTTPStatus.BAD_REQUEST:
        headers.append(("retry-after", str(RETRY_AFTER_SECONDS)))
    return int(status), headers, json.dumps(problem).encode()


def _make() -> Application:
    bound_waits_for_database()
    api = Pool("api", threads=settings.API_THREADS, waiting_max=settings.WEB_WAITING_MAX)
    pages = Pool("pages", threads=settings.PAGE_THREADS, waiting_max=settings.WEB_WAITING_MAX)
    patience = Patience(settings.BODY_SECONDS, settings.BODY_BYTES_A_SECOND)
    return Application(wsgi_application, Pools(api=api, pages=pages), patience, ShortWay() if has_short_way() else None)


def has_short_way() -> bool:
    """Return whether ordinary requests are combined. Traces are made by middleware; a pooler keeps no session."""
    is_pooled = bool(settings.DATABASES["default"].get("DISABLE_SERVER_SIDE_CURSORS"))
    return settings.SHORT_WAY and not is_traced() and not is_pooled


application = _make()
