"""The outermost middleware: gives each request an id, refuses what is too large, handles outages, logs a line.

The id is in every response, log line and problem body. A query string is never logged, since people put keys into it.
"""

import logging
import re
from collections.abc import Callable
from time import perf_counter_ns
from typing import Final

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.api.bounds import refusal_of
from accounts.api.outages import is_outage, outage_page
from accounts.api.problems import CONTENT_TYPE, as_problem_error, problem_for_status, render_problem
from accounts.api.request_facts import is_api_path, loggable_path
from accounts.domain.identifiers import uuid7
from accounts.domain.masking import mask_secrets

HEADER: Final = "X-Request-ID"
_ACCEPTED: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?", re.ASCII)
_VERSIONED_PREFIX: Final = "/api/v1/"
_IDS_OF_CALLERS: Final = "/api/v1/events/"  # an event's id may end in a slash
_NUL_ENCODED: Final = "%00"

_logger: Final = logging.getLogger("countinghouse.access")
log = structlog.get_logger(_logger.name)


def _without_trailing_slash(path: str) -> str:
    """Return an API path without the slash at its end, which is optional."""
    names_event = path.startswith(_IDS_OF_CALLERS) and path != _IDS_OF_CALLERS
    if names_event or not path.startswith(_VERSIONED_PREFIX):
        return path
    return path.rstrip("/")


def render_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """Return a problem below /api/, a page for an outage elsewhere, or None for an error of our own."""
    if is_outage(exception):
        log.warning("store_unavailable", path=loggable_path(request), error=type(exception).__name__)
    if is_api_path(request.path):
        error = as_problem_error(exception)
        return None if error is None else render_problem(request, error)
    return outage_page(request) if is_outage(exception) else None


def name_request(request: HttpRequest) -> str:
    """Set and return the request's id: the caller's own, if it is a proper one, or a new one."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    is_accepted = _ACCEPTED.fullmatch(given) and mask_secrets(given) == given
    request_id = given if is_accepted else str(uuid7(timezone.now()))
    request.request_id = request_id  # type: ignore[attr-defined]
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def log_request(request: HttpRequest, status: int, started: int) -> None:
    """Log the line of a request that began at `started`, in nanoseconds of the performance counter."""
    if not _logger.isEnabledFor(logging.INFO):
        return
    log.info(
        "request",
        method=request.method,
        path=loggable_path(request),
        status=status,
        microseconds=(perf_counter_ns() - started) // 1000,
    )


class RequestIdMiddleware:
    """The middleware around everything else, so that refusals by other middleware carry the id too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response with the request's id, and log one line."""
        started = perf_counter_ns()
        request_id = name_request(request)
        try:
            response = self._respond(request)
            response[HEADER] = request_id
            log_request(request, response.status_code, started)
        finally:
            structlog.contextvars.clear_contextvars()
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the response to a view's exception, or None if it is an error of our own."""
        return render_exception(request, exception)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        refusal = refusal_of(request)
        if refusal is not None:
            if is_api_path(request.path):
                return render_problem(request, refusal)
            return HttpResponse(refusal.detail, status=refusal.status, content_type="text/plain; charset=utf-8")
        if "\x00" in request.path_info or _NUL_ENCODED in request.META.get("QUERY_STRING", ""):
            # PostgreSQL stores no NUL, so no address with one names anything.
            response: HttpResponseBase = HttpResponseBadRequest(b"The address contains a NUL character.")
        else:
            request.path_info = _without_trailing_slash(request.path_info)
            response = self.get_response(request)
        is_ours = response.get("Content-Type", "").startswith((CONTENT_TYPE, "application/json"))
        if response.status_code >= HttpResponseBadRequest.status_code and is_api_path(request.path) and not is_ours:
            assert isinstance(response, HttpResponse), "an error is not streamed"
            return problem_for_status(request, response)
        return response
