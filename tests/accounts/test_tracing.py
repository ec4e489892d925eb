import pytest
from django.db import connection
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from accounts.domain.job_report import JobReport
from accounts.gateways.outside import call_outside
from accounts.services.jobs import run_job
from accounts.sql import fetch_all
from accounts.tracing import is_traced, span, trace_django_statement
from tests.billing.world import MARCH


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {found.name: found for found in exporter.get_finished_spans()}


def test_without_a_collector_nothing_is_measured() -> None:
    assert not is_traced()
    with span("anything") as current:
        assert current is None


@pytest.mark.django_db
def test_a_job_has_its_statements_below_it_without_their_parameters(exporter: InMemorySpanExporter) -> None:
    def work() -> JobReport:
        fetch_all("SELECT length(%(secret)s::text)", {"secret": "hush-hush"})
        with connection.execute_wrapper(trace_django_statement), connection.cursor() as cursor:
            cursor.execute("DELETE FROM accounts_circuit WHERE name = %s", ["hush-hush"])
        return JobReport({})

    run_job(name="counting", started_by="test", as_of=MARCH, work=work)

    found = by_name(exporter)
    job = found["job counting"]
    assert job.attributes is not None
    assert job.attributes["countinghouse.job.started_by"] == "test"
    for name in ("SELECT", "DELETE"):
        statement = found[name]
        assert statement.parent is not None
        assert statement.parent.span_id == job.context.span_id
        assert "hush-hush" not in str(statement.attributes)
    assert found["SELECT"].attributes == {"db.system.name": "postgresql", "db.query.text": "SELECT length($1::text)"}


@pytest.mark.django_db
def test_a_failed_call_is_recorded_with_secrets_masked(exporter: InMemorySpanExporter) -> None:
    def refuse() -> None:
        raise TimeoutError("no answer for sk_live_" + "a1B2" * 8)

    with pytest.raises(TimeoutError):
        call_outside("provider", refuse, (TimeoutError,))

    call = by_name(exporter)["call provider"]
    assert call.status.status_code is StatusCode.ERROR
    assert call.attributes is not None
    assert call.attributes["error.type"] == "TimeoutError"
    assert "a1B2a1B2" not in str(call.status.description)
