"""Traces for an OpenTelemetry collector, if `OTEL_EXPORTER_OTLP_ENDPOINT` names one.

The exporter reads the other `OTEL_…` variables itself, as its specification says. A thread sends spans in batches, so
that a slow or missing collector delays no request. Spans that cannot be sent are dropped and logged.
"""

from typing import Final

from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from accounts.tracing import use_tracer

TRACES_PATH: Final = "/v1/traces"


def start_tracing() -> TracerProvider | None:
    """Send this process's spans, if a collector is configured. Called once, before the first connection is opened."""
    endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT
    if not endpoint:
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": settings.OTEL_SERVICE_NAME}))
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    use_tracer(provider.get_tracer("countinghouse"))
    return provider
