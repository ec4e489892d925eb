import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_django import Settings

from accounts.tracing import is_traced, span, use_tracer
from config.operations.tracing import start_tracing


class Collector(BaseHTTPRequestHandler):
    received: list[tuple[str, ExportTraceServiceRequest]]

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((self.path, request))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Omit the log."""


@pytest.fixture
def collector() -> Iterator[HTTPServer]:
    Collector.received = []
    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_spans_reach_the_collector_that_the_settings_name(settings: Settings, collector: HTTPServer) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://127.0.0.1:{collector.server_port}/"
    settings.OTEL_SERVICE_NAME = "acme-billing"
    provider = start_tracing()
    assert provider is not None
    try:
        assert is_traced()
        with span("job reckoning"):
            pass
        assert provider.force_flush()
    finally:
        use_tracer(None)
        provider.shutdown()

    [(path, request)] = Collector.received
    [resource] = request.resource_spans
    names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert (path, names["service.name"]) == ("/v1/traces", "acme-billing")
    assert [found.name for found in resource.scope_spans[0].spans] == ["job reckoning"]


def test_without_an_endpoint_no_process_sends_anything(settings: Settings) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = ""

    assert start_tracing() is None
    assert not is_traced()
