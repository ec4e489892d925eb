"""The nightly check that every finalized invoice follows from the raw ledger; it names those that do not.

It changes nothing. A difference is our own mistake, or was made by someone who reached the tables: staff have to look.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from accounts.domain.job_report import Finding, Findings, JobReport
from accounts.services.collecting import without_collecting
from accounts.services.jobs import SaveSummary, run_long_job
from billing.conservation.domain.particulars import CODES
from billing.conservation.selectors.items import items_out_of_place
from billing.conservation.selectors.lives import parted_taxes, unbalanced
from billing.conservation.selectors.written import faults_of_written
from billing.models import CreditNote, Invoice, InvoiceKind, Subscription
from billing.verification.domain.balances import UNBILLED, difference_of, differences_of
from billing.verification.domain.checks import Difference, differences_in
from billing.verification.selectors.batches import load_batch, load_series
from metering.selectors.span_usage import RawUsage

VERIFICATION_JOB: Final = "verification"
VERIFICATION_OF_SOME_JOB: Final = "verification of some"
BATCH_SIZE: Final = 500
DIFFERENCES_KEPT_MAX: Final = 20
# What is wrong with a document that stays as it is, and what staff decide: no waiting mends it.
_NOT_HOLDING: Final = CODES | {UNBILLED}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which invoices are meant: all, or those of some tenants, or one."""

    tenant_ids: Sequence[UUID] | None = None
    number: str | None = None

    @property
    def is_all(self) -> bool:
        """Return whether every invoice is chosen."""
        return self.tenant_ids is None and self.number is None


@dataclass(slots=True)
class Verification:
    """What was looked at so far and what was found."""

    total: int = 0
    verified: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, found: Sequence[Difference]) -> None:
        """Keep what is new: a plan version with a wrong price is found with each batch that uses it."""
        known = set(self.differences)
        self.differences += [difference for difference in dict.fromkeys(found) if difference not in known]

    def summary(self) -> dict[str, object]:
        """Return the summary that is stored with the job's run."""
        counts: dict[str, object] = {"verified": self.verified, "of": self.total, "differences": len(self.differences)}
        first = [str(difference) for difference in self.differences[:DIFFERENCES_KEPT_MAX]]
        return counts | ({"first": first} if first else {})


Progress = Callable[[Verification], None]


def run_verification(
    *, started_by: str, as_of: datetime, chosen: Chosen | None = None, on_progress: Progress | None = None
) -> Verification:
    """Verify finalized invoices, recorded as a run of a job; numbers are verified only if all invoices are."""
    chosen = chosen or Chosen()
    done = Verification()

    def work(tell: SaveSummary) -> JobReport:
        _verify(chosen, done, lambda: _report(done, tell, on_progress))
        findings = _findings_of(chosen, done.differences)
        return JobReport(done.summary(), needs_attention=bool(done.differences), findings=findings)

    # Looking at some invoices must not pass for the nightly look at all.
    name = VERIFICATION_JOB if chosen.is_all else VERIFICATION_OF_SOME_JOB
    run_long_job(name=name, started_by=started_by, as_of=as_of, work=work)
    return done


def _findings_of(chosen: Chosen, differences: Sequence[Difference]) -> Findings:
    """Return the differences; one in a tenant's documents stops its billing, unless no waiting can mend it."""
    subjects = {difference.subject for difference in differences}
    documents = (Invoice.objects, CreditNote.objects)
    tenant_of = {
        number: tenant_id
        for rows in documents
        for number, tenant_id in rows.filter(number__in=subjects).values_list("number", "tenant_id")
    }
    found = [
        Finding(
            difference.subject,
            difference.code,
            difference.detail,
            tenant_of.get(difference.subject),
            is_holding=difference.subject in tenant_of and difference.code not in _NOT_HOLDING,
        )
        for difference in differences
    ]
    numbers = None if chosen.number is None else [chosen.number]
    return Findings(VERIFICATION_JOB, found, tenant_ids=chosen.tenant_ids, subjects=numbers)


def _report(done: Verification, tell: SaveSummary, on_progress: Progress | None) -> None:
    tell(done.summary())
    if on_progress is not None:
        on_progress(done)


def _verify(chosen: Chosen, done: Verification, report: Callable[[], None]) -> None:
    if chosen.is_all:
        done.add(differences_in(load_series()))
    invoices = Invoice.objects.issued()
    if chosen.tenant_ids is not None:
        invoices = invoices.filter(tenant__in=chosen.tenant_ids)
    if chosen.number is not None:
        invoices = invoices.filter(number=chosen.number)
    done.total = invoices.count()
    if chosen.number is not None:
        _verify_invoices(invoices, RawUsage(), done, report)
        return
    subscriptions = Subscription.objects.all()
    if chosen.tenant_ids is not None:
        subscriptions = subscriptions.filter(tenant__in=chosen.tenant_ids)
    ids = list(subscriptions.order_by("tenant", "pk").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH_SIZE):
        some = ids[start : start + BATCH_SIZE]
        usage = RawUsage()
        _verify_invoices(invoices.filter(subscription__in=some), usage, done, report)
        _verify_conservation(some, usage, done)
        report()


def _verify_invoices(
    invoices: QuerySet[Invoice], usage: RawUsage, done: Verification, report: Callable[[], None]
) -> None:
    """Compare each invoice with what it was computed from."""
    ids = list(invoices.order_by("tenant", "pk").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH_SIZE):
        some = Invoice.objects.filter(pk__in=ids[start : start + BATCH_SIZE])
        with without_collecting():
            batch = list(some.select_related("subscription").order_by("number"))
            done.add(differences_in(load_batch(batch, usage.read)))
            done.add([Difference(*fault) for fault in _faults_of_written(batch)])
        done.verified += len(batch)
        report()


def _faults_of_written(batch: Sequence[Invoice]) -> Iterator[tuple[str, str, str]]:
    """Yield what invoices that staff wrote say otherwise than their quantities, prices and rates come to."""
    written = [invoice.pk for invoice in batch if invoice.kind == InvoiceKind.MANUAL]
    for number, fault in faults_of_written(written) if written else ():
        yield number, "written", fault


def _verify_conservation(some: Sequence[UUID], usage: RawUsage, done: Verification) -> None:
    """Compare whole lives with the raw ledger by rules of its own: what is missing is on no invoice to be looked at."""
    with without_collecting():
        for found in unbalanced(some, usage.read):
            done.add(list(differences_of(found)))
    done.add([difference_of(parted) for parted in parted_taxes(some)])
    done.add([Difference(lost.number, "single_item", lost.detail) for lost in items_out_of_place(some)])
