"""The health of the books: the figures that show whether the sums are right, for a page and for `/metrics`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Min, Q, Subquery
from django.db.models.functions import Coalesce
from django_q.models import Schedule

from accounts.models import Discrepancy, JobOutcome, JobRun
from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import OutboundMail
from billing.banking.models import BankEntry, EntryStatus
from billing.collection.models import InboxEvent, InboxStatus
from billing.collection.selectors.our_books import findings_to_settle
from billing.collection.selectors.work import agreements_that_differ, rejected_pushes
from billing.dunning.domain.states import ServiceStage
from billing.dunning.models import DunningCase
from billing.dunning.selectors.cases import late_steps
from billing.models import BillingException, Issuer
from config.operations.schedules import JobState, job_states

CHECKS: Final = {
    "reconciliation": "Usage that differs from the ledger",
    "verification": "Invoices that differ from the ledger",
    "ledger_proof": "Ledgers that differ from their signed days",
    "limits": "Counters of limits that differed",
}
PROOFS: Final = frozenset({"reconciliation", "verification"})
NUMBERS: Final = "numbers"
LEDGER: Final = "ledger"
OLDEST_SECONDS_MAX: Final = 900
# A figure that tells how much there is, and is never bad by itself.
NO_LIMIT: Final = 10**9
BANK_DAYS_MAX: Final = 3
LATE_AFTER: Final = timedelta(hours=3)
_DAY: Final = timedelta(days=1)
_ENDED_WELL: Final = (JobOutcome.SUCCEEDED, JobOutcome.ATTENTION)


@dataclass(frozen=True, slots=True)
class BookFigure:
    """A figure that is good up to `most`. `label` distinguishes figures of one name."""

    name: str
    title: str
    value: int
    label: tuple[str, str] | None = None
    most: int = 0

    @property
    def is_good(self) -> bool:
        """Return whether staff need not look."""
        return self.value <= self.most


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A planned job: its last success, its next run, and its number of failures within a day."""

    state: JobState
    succeeded_at: datetime | None
    next_at: datetime | None
    failures: int

    @property
    def is_good(self) -> bool:
        """Return whether the job runs in time and did not fail."""
        return not self.is_missing and not self.failures

    @property
    def is_missing(self) -> bool:
        """Return whether its latest run failed, or it is late."""
        run = self.state.run
        return self.state.is_overdue or (run is not None and run.outcome == JobOutcome.FAILED)


@dataclass(frozen=True, slots=True)
class BooksHealth:
    """All figures at one moment."""

    figures: tuple[BookFigure, ...]
    chain: tuple[ChainLink, ...]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Return the reasons not to trust the sums: a difference that a proof found, or a proof that is late or failed.

        Usage and invoices do not depend on counters of limits, which are corrected when they differ.
        """
        proven = [figure for figure in self.of("books_differences") if figure.label and figure.label[1] in PROOFS]
        differences = [f"{figure.title}: {figure.value}" for figure in proven if not figure.is_good]
        late = [f"{link.state.job.title}: overdue or failed" for link in self._proofs if link.is_missing]
        return (*differences, *late)

    @property
    def is_proven(self) -> bool:
        """Return whether both proofs have succeeded at least once."""
        return all(link.succeeded_at is not None for link in self._proofs)

    @property
    def _proofs(self) -> tuple[ChainLink, ...]:
        return tuple(link for link in self.chain if link.state.job.name in PROOFS)

    @property
    def waiting(self) -> int:
        """Return the number of accounts that wait for staff."""
        parked, held = self.of("books_subscriptions_parked"), self.of("books_tenants_held")
        return sum(figure.value for figure in (*parked, *held))

    def of(self, name: str) -> tuple[BookFigure, ...]:
        """Return the figures with this name."""
        return tuple(figure for figure in self.figures if figure.name == name)


def books_health(as_of: datetime) -> BooksHealth:
    """Return the health of the books, with the same number of queries for one tenant as for thousands."""
    figures = (*_differences(), *_waiting(), *_providers(as_of), *_owed(as_of), *_mails(as_of))
    return BooksHealth(figures, _chain(as_of))


def _differences() -> list[BookFigure]:
    rows = Discrepancy.objects.open().order_by().values_list("found_by").annotate(number=Count("pk"))
    counts = dict(rows)
    gaps = Discrepancy.objects.open().filter(code=NUMBERS).count()
    untied = Discrepancy.objects.open().filter(code=LEDGER).count()
    figures = [
        BookFigure("books_differences", title, counts.get(name, 0), ("check", name)) for name, title in CHECKS.items()
    ]
    return [
        *figures,
        BookFigure("books_number_gaps", "Series of numbers with a gap", gaps),
        BookFigure("books_ledger_untied", "Documents and balances that differ from the ledger of accounts", untied),
    ]


def _waiting() -> list[BookFigure]:
    exceptions = BillingException.objects.filter(resolved_at=None).aggregate(
        all=Count("pk"), parked=Count("subscription", filter=Q(payment=None), distinct=True)
    )
    held = Discrepancy.objects.open().filter(is_holding=True).order_by().values("is_holding")
    held = held.annotate(number=Count("tenant", distinct=True)).values("number")
    issuer = Issuer.objects.annotate(tenants_held=Coalesce(Subquery(held), 0)).get(pk=1)
    return [
        BookFigure("books_exceptions_open", "Open exceptions", exceptions["all"]),
        BookFigure("books_subscriptions_parked", "Parked subscriptions", exceptions["parked"]),
        BookFigure("books_tenants_held", "Tenants whose books are in doubt", issuer.tenants_held),
        BookFigure(
            "books_tax_unconfirmed", "Tax rules that staff have not confirmed", int(not issuer.is_tax_confirmed)
        ),
    ]


def _providers(as_of: datetime) -> list[BookFigure]:
    inbox = InboxEvent.objects.filter(status__in=[InboxStatus.PENDING, InboxStatus.FAILED]).aggregate(
        pending=Count("pk", filter=Q(status=InboxStatus.PENDING)),
        failed=Count("pk", filter=Q(status=InboxStatus.FAILED)),
        oldest=Min("received_at"),
    )
    findings = findings_to_settle().aggregate(number=Count("pk"), oldest=Min("opened_at"))
    return [
        BookFigure("payment_findings", "Differences from a provider's books", findings["number"]),
        BookFigure("payment_findings_oldest_seconds", "Age of the oldest, seconds", _age(findings["oldest"], as_of)),
        BookFigure("provider_differences", "Agreements that differ at a provider", agreements_that_differ()),
        BookFigure("provider_pushes_rejected", "Hours of usage that a provider rejected", rejected_pushes()),
        BookFigure("inbox_events", "Provider events that wait", inbox["pending"], ("state", "pending"), most=100),
        BookFigure("inbox_events", "Provider events that failed", inbox["failed"], ("state", "failed")),
        BookFigure(
            "inbox_oldest_seconds", "Age of the oldest one, seconds", _age(inbox["oldest"], as_of),
            most=OLDEST_SECONDS_MAX,
        ),
    ]  # fmt: skip


def _owed(as_of: datetime) -> list[BookFigure]:
    """Return the state of dunning, and of money that came by transfer."""
    stages = dict(
        DunningCase.objects.filter(closed_at=None).order_by().values_list("stage").annotate(number=Count("pk"))
    )
    entries = BankEntry.objects.filter(status=EntryStatus.OPEN).aggregate(number=Count("pk"), oldest=Min("booked_on"))
    return [
        *(
            BookFigure("dunning_cases", f"Unpaid invoices: {stage.replace('_', ' ')}", stages.get(stage, 0),
                       ("stage", stage), most=NO_LIMIT)
            for stage in ServiceStage
        ),
        BookFigure("dunning_steps_late", "Steps of dunning that are late", late_steps(as_of - LATE_AFTER)),
        BookFigure("bank_entries_open", "Bank entries that wait for a decision", entries["number"], most=NO_LIMIT),
        BookFigure(
            "bank_entries_oldest_days", "Age of the oldest one, days",
            0 if entries["oldest"] is None else max(0, (as_of.date() - entries["oldest"]).days), most=BANK_DAYS_MAX,
        ),
    ]  # fmt: skip


def _mails(as_of: datetime) -> list[BookFigure]:
    waiting = OutboundMail.objects.filter(status=MailStatus.QUEUED).aggregate(
        number=Count("pk"), oldest=Min("next_attempt_at")
    )
    undelivered = OutboundMail.objects.filter(status__in=[MailStatus.FAILED, MailStatus.UNKNOWN]).count()
    return [
        BookFigure("mails", "Mails that wait", waiting["number"], ("state", "queued"), most=1000),
        BookFigure("mails", "Mails that were not sent", undelivered, ("state", "undelivered")),
        BookFigure(
            "mails_late_seconds", "Lateness of the oldest one, seconds", _age(waiting["oldest"], as_of),
            most=OLDEST_SECONDS_MAX,
        ),
    ]  # fmt: skip


def _age(since: datetime | None, as_of: datetime) -> int:
    return 0 if since is None else max(0, int((as_of - since).total_seconds()))


def _chain(as_of: datetime) -> tuple[ChainLink, ...]:
    next_at = dict(Schedule.objects.values_list("name", "next_run"))
    succeeded = _latest_successes()
    failures = dict(
        JobRun.objects.filter(outcome=JobOutcome.FAILED, started_at__gt=as_of - _DAY, started_at__lte=as_of)
        .order_by()
        .values_list("name")
        .annotate(number=Count("pk"))
    )
    return tuple(
        ChainLink(state, succeeded.get(name), next_at.get(name), failures.get(name, 0))
        for state in job_states(as_of=as_of)
        for name in [state.job.name]
    )


def _latest_successes() -> Mapping[str, datetime]:
    runs = JobRun.objects.filter(outcome__in=_ENDED_WELL).order_by("name", "-started_at").distinct("name")
    return dict(runs.values_list("name", "started_at"))
