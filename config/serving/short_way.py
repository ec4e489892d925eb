"""The short way of the calls that come with every request of a customer's: one event, and one authorization.

It stays on the event loop. The view's own authentication, permissions, parser and renderer are asked, and what has to
be stored is combined with all other requests that wait (`metering.services.rounds`). It says yes, or 429. Every other
request, and every error, begins again on the long way with the same bytes: Django's whole chain, in a thread.

What middleware adds to a response is learned from the long way's response to an ordinary request of the same place, so
the first request of each place goes the long way.
"""

from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter_ns
from typing import Any, Final

from django.core.exceptions import SynchronousOnlyOperation
from django.core.handlers.wsgi import WSGIRequest
from django.utils import timezone
from rest_framework.request import Request

from accounts.api.authentication import principal_of
from accounts.api.bounds import refusal_of
from accounts.api.middleware import HEADER, log_request, name_request
from accounts.api.problems import problem_body
from accounts.api.renderers import encode_json
from accounts.database.line import Line
from accounts.domain.reach import WayIn
from accounts.errors import ProblemError
from accounts.services.key_use import note_refusal
from config.serving.renewal import Renewal
from metering.api.authorize import AuthorizeView
from metering.api.events import EventsView
from metering.api.ordinary import NotOrdinaryError, OrdinaryCall
from metering.domain.cloud_events import HEADERS_OF_BINARY
from metering.domain.rounds import Outcome, RoundQuestion, RoundReport
from metering.services.rounds.combiner import Combiner
from metering.services.rounds.storing import check_questions, store_reports

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]

VIEWS: Final[dict[str, type[Any]]] = {"/api/v1/events": EventsView, "/api/v1/authorize": AuthorizeView}
BODY_BYTES_MAX: Final = 8 * 1024
MEDIA_TYPE: Final = "application/json"
PLACES_MAX: Final = 100
# With one of these a request asks for more, or another place decides about it.
NOT_ORDINARY: Final = frozenset(
    {
        "HTTP_IDEMPOTENCY_KEY",
        "HTTP_CONTENT_ENCODING",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_COOKIE",
        "HTTP_ORIGIN",
        "HTTP_X_TENANT",
        "HTTP_TRACEPARENT",
        *(f"HTTP_{name.upper().replace('-', '_')}" for name in HEADERS_OF_BINARY),
    }
)
# What the host and the scheme are read from: middleware may answer differently to each.
PLACE: Final = ("PATH_INFO", "wsgi.url_scheme", "HTTP_HOST", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO")
# What a response has of its own.
OWN_HEADERS: Final = frozenset({"content-length", HEADER.lower(), "ratelimit", "ratelimit-policy", "retry-after"})

Place = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that is authenticated, permitted and parsed, and its work."""

    request: Request
    inner: WSGIRequest
    view: OrdinaryCall
    work: RoundReport | RoundQuestion
    as_of: datetime
    started: int


class _Call:
    """One view, with what Django REST framework would make for each request."""

    def __init__(self, view_class: type[Any]) -> None:
        view = view_class()
        self.statuses = view.statuses
        self._view_class = view_class
        self._authenticators = view.get_authenticators()
        self._permissions = view.get_permissions()
        self._parsers = view.get_parsers()
        [self._renderer] = view.get_renderers()
        self._negotiator = view.get_content_negotiator()
        assert not view.get_throttles(), "limits are the claim's"

    def prepare(self, environ: Environ, as_of: datetime, started: int) -> _Asked:
        """Return the request's work. Raises `NotOrdinaryError` or any error that the long way will say."""
        inner = WSGIRequest(environ)
        name_request(inner)
        if refusal_of(inner) is not None:
            raise NotOrdinaryError
        view = self._view_class()
        request = Request(
            inner,
            parsers=self._parsers,
            authenticators=self._authenticators,
            negotiator=self._negotiator,
            parser_context={"view": view},
        )
        view.request = request
        if principal_of(request).tenant is None:
            raise NotOrdinaryError
        if not all(permission.has_permission(request, view) for permission in self._permissions):
            raise NotOrdinaryError
        self._parsers[0].parse(inner, MEDIA_TYPE, request.parser_context)
        return _Asked(request, inner, view, view.work_of(request, as_of), as_of, started)

    def finish(self, asked: _Asked, outcome: Outcome, learned: dict[int, Headers]) -> Answer | None:
        """Return the response; None if it is one of a kind that this process has not seen the long way give."""
        try:
            status, data, own = asked.view.response_to(asked.request, asked.work, outcome)
            body, refusal = self._renderer.render(data), ""
        except ProblemError as error:
            status, own, refusal = error.status, error.headers, error.code
            body = encode_json(problem_body(asked.inner, error))
        of_middleware = learned.get(status)
        if of_middleware is None:
            return None
        if refusal:
            note_refusal(key_id=asked.work.api_key_id, code=refusal, as_of=asked.as_of)
        length, request_id = ("Content-Length", str(len(body))), (HEADER, asked.inner.request_id)  # type: ignore[attr-defined]
        log_request(asked.inner, status, asked.started)
        return int(status), [*of_middleware, *own.items(), length, request_id], body


class ShortWay:
    """The calls that have one, and the rounds of this process."""

    def __init__(self) -> None:
        self._calls = {path: _Call(view_class) for path, view_class in VIEWS.items()}
        self._renewal = Renewal()
        self._learned: dict[Place, dict[int, Headers]] = {}
        self._reports: Combiner[RoundReport] = Combiner(Line(WayIn.INGEST), store_reports)
        # Who only asks does not wait for those that store.
        self._questions: Combiner[RoundQuestion] = Combiner(Line(WayIn.INGEST), check_questions)

    async def respond(self, environ: Environ) -> Answer | None:
        """Return the response; None if the request goes the long way, with the same environment."""
        call = self._calls.get(environ["PATH_INFO"])
        if call is None or not _is_ordinary(environ):
            return None
        learned = self._learned.get(_place_of(environ))
        if learned is None:
            return None
        context = copy_context()
        try:
            asked = context.run(call.prepare, environ, timezone.now(), perf_counter_ns())
        except (NotOrdinaryError, ProblemError, SynchronousOnlyOperation):
            return None  # the last: what this process remembers is too old, and only a thread may ask the database
        work = asked.work
        if isinstance(work, RoundQuestion):
            outcome = await self._questions.add(work) if self._questions.takes(work.api_key_id) else None
        else:
            outcome = await self._reports.add(work) if self._reports.takes(work.api_key_id) else None
        return None if outcome is None else context.run(call.finish, asked, outcome, learned)

    def learn(self, environ: Environ, answer: Answer) -> None:
        """Keep what middleware added to the long way's response to an ordinary request."""
        status, headers, _ = answer
        call = self._calls.get(environ["PATH_INFO"])
        if call is None or status not in call.statuses:
            return
        if not _is_ordinary(environ) or len(self._learned) >= PLACES_MAX:
            return
        learned = self._learned.setdefault(_place_of(environ), {})
        learned[status] = [(name, value) for name, value in headers if name.lower() not in OWN_HEADERS]

    def start(self) -> None:
        """Begin to renew what this process remembers."""
        self._renewal.start()

    async def close(self) -> None:
        """Finish the rounds under way."""
        self._renewal.stop()
        await self._reports.close()
        await self._questions.close()


def _is_ordinary(environ: Environ) -> bool:
    """Return whether the request asks for no more than one body in and one response out."""
    length = environ.get("CONTENT_LENGTH", "")
    return (
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE") == MEDIA_TYPE
        and not environ["QUERY_STRING"]
        and environ.get("HTTP_ACCEPT", "*/*") in {"*/*", MEDIA_TYPE}
        and length.isdecimal()
        and int(length) <= BODY_BYTES_MAX
        and NOT_ORDINARY.isdisjoint(environ)
    )


def _place_of(environ: Environ) -> Place:
    return tuple([environ.get(name) for name in PLACE])
