"""Spans of requests, jobs, SQL statements and external calls, for a collector that the operator configures.

Without a collector, `span` costs one check and yields nothing. Names and attributes are those of OpenTelemetry's
semantic conventions. No value of a statement's parameters, no query string and no body becomes an attribute.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from accounts.domain.masking import mask_secrets

STATEMENT_CHARACTERS_MAX: Final = 2000
NOTHING: Final[Mapping[str, AttributeValue]] = {}


class _Tracing:
    """The destination of spans: this tracer, or nowhere."""

    tracer: Tracer | None = None


def use_tracer(tracer: Tracer | None) -> None:
    """Send the spans of this process to a tracer, or to none."""
    _Tracing.tracer = tracer


def is_traced() -> bool:
    """Return whether spans are sent."""
    return _Tracing.tracer is not None


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    context: Context | None = None,
    attributes: Mapping[str, AttributeValue] = NOTHING,
) -> Iterator[Span | None]:
    """Measure the block, and yield the span, or None if tracing is off.

    An exception marks the span as failed, with its class and its masked text, and is raised again.
    """
    tracer = _Tracing.tracer
    if tracer is None:
        yield None
        return
    with tracer.start_as_current_span(
        name,
        context,
        kind,
        attributes=dict(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_attribute("error.type", type(error).__qualname__)
            current.set_status(Status(StatusCode.ERROR, mask_secrets(str(error))[:300]))
            raise


@contextmanager
def statement_span(statement: str) -> Iterator[None]:
    """Measure one SQL statement. Its parameters are sent separately and are not recorded."""
    if _Tracing.tracer is None:
        yield
        return
    text = statement.strip()
    attributes = {"db.system.name": "postgresql", "db.query.text": text[:STATEMENT_CHARACTERS_MAX]}
    with span(text.split(maxsplit=1)[0].upper(), SpanKind.CLIENT, attributes=attributes):
        yield


def trace_django_statement(
    execute: Callable[..., Any],
    statement: str,
    parameters: Any,
    many: bool,  # noqa: FBT001 - an execute wrapper's signature
    context: Mapping[str, Any],
) -> Any:
    """Measure a statement of Django's own, as an execute wrapper of its connections."""
    with statement_span(statement):
        return execute(statement, parameters, many, context)
