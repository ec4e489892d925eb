import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpResponse
from django.test import Client, RequestFactory
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from accounts.api.tracing import TracingMiddleware


def test_without_a_collector_the_tracing_middleware_is_left_out() -> None:
    with pytest.raises(MiddlewareNotUsed):
        TracingMiddleware(lambda _: HttpResponse())


@pytest.mark.django_db
def test_a_request_continues_its_callers_trace_under_its_routes_name(exporter: InMemorySpanExporter) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"

    Client().get("/invitations/a-secret-token/?key=hush", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})

    request = exporter.get_finished_spans()[-1]
    assert f"{request.context.trace_id:032x}" == trace
    assert request.attributes is not None
    assert request.name.startswith("GET /invitations/<")
    assert request.attributes["http.route"] == request.name.removeprefix("GET ")
    assert "a-secret-token" not in str(request.attributes)
    assert "hush" not in str(request.attributes)
    assert request.attributes["countinghouse.request_id"]


def test_a_5xx_response_marks_the_span(exporter: InMemorySpanExporter) -> None:
    TracingMiddleware(lambda _: HttpResponse(status=503))(RequestFactory().get("/nowhere/"))

    [request] = exporter.get_finished_spans()
    assert request.status.status_code is StatusCode.ERROR
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 503
    assert request.name == "GET"


def test_a_wrong_traceparent_begins_a_new_trace(exporter: InMemorySpanExporter) -> None:
    TracingMiddleware(lambda _: HttpResponse())(RequestFactory().get("/", headers={"traceparent": "zz-1-2"}))

    [request] = exporter.get_finished_spans()
    assert request.parent is None
