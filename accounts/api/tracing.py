"""A span for each request, continuing the trace that the caller's `traceparent` names (W3C Trace Context)."""

from collections.abc import Callable
from http import HTTPStatus

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from accounts.api.request_facts import loggable_path
from accounts.domain.masking import mask_secrets
from accounts.tracing import is_traced, span


class TracingMiddleware:
    """Middleware around every request. If tracing is off, Django leaves it out of the chain."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not is_traced():
            raise MiddlewareNotUsed
        self._get_response = get_response
        self._propagator = TraceContextTextMapPropagator()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Measure the request. The span is named after the route, so that values in the path make no new names."""
        given = {"traceparent": request.headers.get("traceparent", "")}
        attributes = {"http.request.method": request.method or ""}
        context = self._propagator.extract(given)
        with span(request.method or "HTTP", SpanKind.SERVER, context=context, attributes=attributes) as current:
            response = self._get_response(request)
            assert current is not None, "the chain has this middleware only if spans are recorded"
            if request.resolver_match is not None:
                route = f"/{request.resolver_match.route}"
                current.update_name(f"{request.method} {route}")
                current.set_attribute("http.route", route)
            current.set_attribute("url.path", mask_secrets(loggable_path(request)))
            current.set_attribute("http.response.status_code", response.status_code)
            if request_id := response.headers.get("X-Request-ID"):
                current.set_attribute("countinghouse.request_id", request_id)
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                current.set_status(Status(StatusCode.ERROR))
            return response
