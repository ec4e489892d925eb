"""Fetch events that a provider sent and that never arrived: an endpoint was off, or we were away for too long.

A run continues from the end of the last successful one, day by day, the earliest first: so it is bounded, and can be
interrupted. An event is stored once, whichever way it comes.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from accounts.domain.job_report import JobReport
from accounts.models import JobOutcome, JobRun
from accounts.services.jobs import run_job
from billing.collection.domain.provider import PaymentProvider, ProviderBooks
from billing.collection.errors import PaymentProviderError, PaymentRefusedError, ProviderObjectError
from billing.collection.gateways.registry import configured_providers
from billing.collection.services.inbox import keep_fetched

FETCH_JOB: Final = "provider_events"
# As long as Stripe keeps events.
KEPT_FOR: Final = timedelta(days=30)
SLICE: Final = timedelta(days=1)
# A webhook that was sent just now is still on its way.
UNDER_WAY: Final = timedelta(minutes=10)
# An event is listed a little later than it happened.
OVERLAP: Final = timedelta(hours=1)
_ENDED: Final = (JobOutcome.SUCCEEDED, JobOutcome.ATTENTION)


@dataclass(slots=True)
class Fetched:
    """The result of a run: the events that had not arrived, until when each provider was asked, and those away."""

    missed: int = 0
    until: dict[str, str] = field(default_factory=dict)
    away: list[str] = field(default_factory=list)

    def report(self) -> JobReport:
        """Return the report for the admin; events that did not arrive by themselves are worth a look."""
        summary = {"missed": self.missed, "until": self.until, "away": self.away}
        return JobReport(summary, needs_attention=bool(self.missed or self.away))


def run_fetch(*, started_by: str, as_of: datetime) -> JobRun:
    """Fetch what never arrived, recorded as a run of the job."""
    return run_job(name=FETCH_JOB, started_by=started_by, as_of=as_of, work=lambda: fetch_events(as_of=as_of).report())


def fetch_events(*, as_of: datetime) -> Fetched:
    """Fetch the events of every provider that lists them since the last run. Safe to run twice and at once."""
    done = Fetched(until=_progress())
    for provider in configured_providers():
        books = provider.books()
        if books is None:
            continue
        try:
            _fetch(provider, books, done, as_of)
        except (PaymentProviderError, PaymentRefusedError, ProviderObjectError) as error:
            done.away.append(f"{provider.describe().title}: {error.detail}")
    return done


def _progress() -> dict[str, str]:
    """Return until when each provider was asked by the last run that ended."""
    run = JobRun.objects.filter(name=FETCH_JOB, outcome__in=_ENDED).order_by("-started_at", "-pk").first()
    known = {} if run is None else run.summary.get("until", {})
    return dict(known)


def _fetch(provider: PaymentProvider, books: ProviderBooks, done: Fetched, as_of: datetime) -> None:
    end, start = as_of - UNDER_WAY, as_of - KEPT_FOR
    if known := done.until.get(provider.name):
        start = max(start, datetime.fromisoformat(known) - OVERLAP)
    while start < end:
        until = min(start + SLICE, end)
        done.missed += keep_fetched(
            provider=provider.name, events=books.events(since=start, until=until), as_of=as_of
        )  # fmt: skip
        done.until[provider.name] = until.isoformat()
        start = until
