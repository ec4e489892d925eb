"""The figures of `/metrics`, in Prometheus's text format, version 0.0.4.

They are read from the database on request, so that any process of any machine shows the same. Each costs one indexed
query. No figure names a tenant. If a store is down, a figure says so, and the others are shown.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.db import Error, connection
from django.db.models import Count
from django.db.models.functions import Now
from redis.exceptions import RedisError

from accounts.models import Circuit, CircuitState, JobRun, Tenant
from accounts.webhooks.selectors.health import webhooks_state
from config.operations.books import books_health
from config.operations.queue import queue_state
from config.operations.schedules import latest_runs
from metering.domain.periods import start_of_hour
from metering.selectors.operations import events_by_hour, partition_days_ahead, refusals_since
from metering.selectors.reservations import open_reservations
from metering.selectors.uncounted import uncounted_ledgers

STORE_ERRORS: Final = (Error, RedisError, OSError)
PREFIX: Final = "countinghouse_"
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value with its labels."""

    value: int
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """A gauge with its samples."""

    name: str
    help: str
    samples: tuple[Sample, ...]


def figures_at(as_of: datetime) -> list[Figure]:
    """Return every figure that can be read now, first whether each store is available."""
    up = {name: _is_available(query) for name, query in STORES.items()}
    samples = tuple(Sample(int(is_up), {"store": name}) for name, is_up in up.items())
    found = [Figure("store_up", "1 if the store is available.", samples)]
    of_database = (_events, _jobs, _outside, _webhooks, _tenants, _books)
    readers = [*(of_database if up["database"] else ()), *((_queue,) if all(up.values()) else ())]
    for read in readers:
        try:
            found += read(as_of)
        except STORE_ERRORS:  # it became unavailable meanwhile
            continue
    return found


def _is_available(query: Callable[[], object]) -> bool:
    try:
        query()
    except STORE_ERRORS:
        return False
    return True


def _query_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


STORES: Final[Mapping[str, Callable[[], object]]] = {
    "database": _query_database,
    "cache": lambda: cache.get("metrics"),
}


def _events(as_of: datetime) -> list[Figure]:
    hour = start_of_hour(as_of)
    counts = events_by_hour(start=hour - _HOUR, end=hour + _HOUR)
    refusals = refusals_since(as_of - _DAY)
    return [
        Figure(
            "events_metered",
            "Live events that occurred in the running and in the last whole hour of UTC.",
            (Sample(counts.get(hour, 0), {"hour": "running"}), Sample(counts.get(hour - _HOUR, 0), {"hour": "last"})),
        ),
        Figure(
            "events_refused_day",
            "Live events that were sent and not stored in the last 24 hours, the first fifty of each request.",
            tuple(
                Sample(refusals.get(verdict, 0), {"verdict": verdict})
                for verdict in ("duplicate", "conflict", "rejected")
            ),
        ),
        Figure(
            "partition_days_ahead", "Days for which there are partitions.", (Sample(partition_days_ahead(as_of=as_of)),)
        ),
        *_reservations(as_of),
        Figure(
            "limits_uncounted_ledgers",
            "Ledgers of which the store of limits has missed events.",
            (Sample(uncounted_ledgers()[0]),),
        ),
    ]


def _reservations(as_of: datetime) -> list[Figure]:
    held, tenants, oldest_seconds = open_reservations(as_of)
    return [
        Figure("reservations_held", "Live reservations that hold quota now.", (Sample(held),)),
        Figure("reservations_held_tenants", "Tenants with such reservations.", (Sample(tenants),)),
        Figure("reservations_held_oldest_seconds", "Age of the oldest of them.", (Sample(oldest_seconds),)),
    ]


def _queue(as_of: datetime) -> list[Figure]:
    state = queue_state(as_of)
    return [
        Figure("queue_clusters", "Task clusters that are alive.", (Sample(state.clusters),)),
        Figure(
            "queue_tasks",
            "Tasks in the queue.",
            (Sample(state.waiting, {"state": "waiting"}), Sample(state.running, {"state": "running"})),
        ),
        Figure("queue_tasks_failed", "Failed tasks that were neither retried nor deleted.", (Sample(state.failed),)),
    ]


def _jobs(_: datetime) -> list[Figure]:
    runs = latest_runs()
    return [
        Figure(
            "job_started_timestamp_seconds",
            "When the latest run of a job began.",
            tuple(Sample(int(run.started_at.timestamp()), {"job": name}) for name, run in runs.items()),
        ),
        Figure(
            "job_outcome", "1 for the outcome of a job's latest run.", tuple(_outcome(run) for run in runs.values())
        ),
    ]


def _outcome(run: JobRun) -> Sample:
    return Sample(1, {"job": run.name, "outcome": run.outcome})


def _outside(_: datetime) -> list[Figure]:
    """Return the state of each external service that has failed at least once, by the clock that opens a circuit."""
    circuits = [(circuit, circuit.state_at(circuit.asked_at)) for circuit in Circuit.objects.annotate(asked_at=Now())]
    return [
        Figure(
            "circuit_state",
            "1 for the state of the circuit to an external service: closed, open, or half_open during a new try.",
            tuple(
                Sample(int(now == state), {"service": circuit.name, "state": state.value})
                for circuit, now in circuits
                for state in CircuitState
            ),
        ),
        Figure(
            "circuit_failures",
            "Failed calls in a row to an external service.",
            tuple(Sample(circuit.failures, {"service": circuit.name}) for circuit, _ in circuits),
        ),
    ]


def _webhooks(as_of: datetime) -> list[Figure]:
    """Return the state of webhooks out: endpoints, the last day's deliveries, and the age of what waits longest."""
    state = webhooks_state(as_of=as_of)
    endpoints = {"active": state.active, "paused": state.paused, "disabled": state.disabled, "failing": state.failing}
    deliveries = {"pending": state.pending, "succeeded": state.succeeded, "failed": state.failed}
    return [
        Figure(
            "webhook_endpoints",
            "Webhook endpoints by status; failing ones are active too.",
            tuple(Sample(number, {"status": status}) for status, number in endpoints.items()),
        ),
        Figure(
            "webhook_deliveries_day",
            "Deliveries of webhooks that were queued in the last 24 hours, by status.",
            tuple(Sample(number, {"status": status}) for status, number in deliveries.items()),
        ),
        Figure("webhook_events_unsent", "Events that wait to be queued.", (Sample(state.events_waiting),)),
        Figure(
            "webhook_queue_age_seconds",
            "How long the event or the endpoint that waits longest has waited for a sender.",
            (Sample(int(state.queue_age.total_seconds())),),
        ),
    ]


def _tenants(_: datetime) -> list[Figure]:
    counts = Tenant.objects.order_by("status").values_list("status").annotate(number=Count("pk"))
    samples = tuple(Sample(number, {"status": status}) for status, number in counts)
    return [Figure("tenants", "Tenants by status.", samples)]


def _books(as_of: datetime) -> list[Figure]:
    """Return the figures of the page *Health of the books*, those with one name grouped by label."""
    health = books_health(as_of)
    samples: dict[str, list[Sample]] = {}
    titles: dict[str, list[str]] = {}
    for figure in health.figures:
        labels = {} if figure.label is None else dict([figure.label])
        samples.setdefault(figure.name, []).append(Sample(figure.value, labels))
        titles.setdefault(figure.name, []).append(figure.title)
    by_job = [(link, {"job": link.state.job.name}) for link in health.chain]
    return [
        *(Figure(name, "; ".join(titles[name]) + ".", tuple(found)) for name, found in samples.items()),
        Figure("books_in_order", "1 if there is no doubt about the books.", (Sample(int(not health.doubts)),)),
        Figure(
            "job_succeeded_timestamp_seconds",
            "When the latest successful run of a job began.",
            tuple(Sample(int(link.succeeded_at.timestamp()), job) for link, job in by_job if link.succeeded_at),
        ),
        Figure(
            "job_overdue",
            "1 for a job that is late.",
            tuple(Sample(int(link.state.is_overdue), job) for link, job in by_job),
        ),
        Figure(
            "job_failures_day",
            "Failed runs of a job in 24 hours.",
            tuple(Sample(link.failures, job) for link, job in by_job),
        ),
    ]


def exposition(figures: Iterable[Figure]) -> str:
    """Render the figures as text."""
    return "".join(_lines(figure) for figure in figures)


def _lines(figure: Figure) -> str:
    name = PREFIX + figure.name
    samples = "".join(f"{name}{_labels(sample.labels)} {sample.value}\n" for sample in figure.samples)
    return f"# HELP {name} {figure.help}\n# TYPE {name} gauge\n{samples}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
