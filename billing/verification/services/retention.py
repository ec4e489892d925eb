"""The nightly step that lets raw events go by `EVENT_RETENTION_MONTHS`, once nothing needs them any more.

A month goes over three nights (`metering.services.retention`), and not before every invoice that bears on it is
finalized, past its last look and computed again from the raw events without a difference.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from django.conf import settings
from django.db.models import Max

from accounts.domain.job_report import JobReport
from accounts.domain.numbers import counted
from accounts.models import JobRun, Tenant
from accounts.services.jobs import run_job
from billing.models import Invoice
from billing.selectors.retention import invoices_of_month, what_needs
from billing.verification.domain.checks import Difference, differences_in
from billing.verification.selectors.batches import load_batch
from billing.verification.selectors.said import lines_of
from billing.verification.selectors.usage import spans_asked
from metering.domain.retention import first_month_kept, is_out_of_reach, month_after
from metering.lake.errors import LakeMismatchError, LakeUnavailableError
from metering.lake.services.sealing import seal_month
from metering.selectors.catalog import levels_are_metered
from metering.selectors.ledgers import ledgers
from metering.selectors.span_usage import UsageSpan
from metering.services.retention import (
    close_month,
    delete_sealed_months,
    finish_sealing,
    may_be_sealed,
    months_to_delete,
    months_to_go,
    seal_ledgers,
    seal_spans,
)

RETENTION_JOB: Final = "retention"
BATCH_SIZE: Final = 200
TOLD_MAX: Final = 20


def run_retention(*, started_by: str, as_of: datetime) -> JobRun:
    """Delete the months that are sealed, and bring those whose term is over a step nearer to that.

    The run needs attention if the books of a month do not come out even; nothing of it goes then.
    """
    return run_job(name=RETENTION_JOB, started_by=started_by, as_of=as_of, work=lambda: _let_go(as_of))


def _let_go(as_of: datetime) -> JobReport:
    missing = _not_in_lake(as_of) if settings.LAKE_KEEPS_EVENTS else {}
    deleted = delete_sealed_months(as_of=as_of, kept=missing)
    done: dict[str, list[str]] = {"deleted": [_named(month) for month in deleted]}
    if missing:
        done["not_in_lake"] = [f"{_named(month)}: {reason}" for month, reason in missing.items()]
    term = settings.EVENT_RETENTION_MONTHS
    for month in months_to_go(first_kept=first_month_kept(as_of, term)) if term else ():
        waits = _what_needs(month, as_of)
        if waits:
            done["waits"] = [f"{_named(month)}: {reason}" for reason in waits]
            break
        close_month(month=month, as_of=as_of)
        if not may_be_sealed(month=month, as_of=as_of):
            done.setdefault("closed", []).append(_named(month))
            continue
        wrong = _seal(month, as_of)
        if wrong:
            done["wrong"] = wrong[:TOLD_MAX]
            break
        done.setdefault("sealed", []).append(_named(month))
    return JobReport(dict(done), needs_attention="wrong" in done or bool(missing))


def _not_in_lake(as_of: datetime) -> dict[date, str]:
    """Copy the months that are about to be deleted to the lake, and return why some are not in it.

    Nothing is added to these months or voided any more, so what is compared here is what is deleted.
    """
    missing: dict[date, str] = {}
    for month in months_to_delete(as_of=as_of):
        try:
            seal_month(month=month, as_of=as_of, progress=lambda _part: None)
        except (LakeUnavailableError, LakeMismatchError) as error:
            missing[month] = str(error)
    return missing


def _what_needs(month: date, as_of: datetime) -> list[str]:
    longest = Tenant.objects.aggregate(days=Max("backfill_days"))["days"] or 0
    if not is_out_of_reach(month, as_of, longest):
        return [f"events may come late for {counted(longest, 'days')}, by a tenant's backfill window"]
    return what_needs(month)


def _seal(month: date, as_of: datetime) -> list[str]:
    """Seal the rollups of a closed month as the evidence, or return what does not match."""
    differences: list[Difference] = []
    for invoices in _batches(month):
        differences += differences_in(load_batch(invoices))
    if not differences:
        drifts = seal_ledgers(ledgers=ledgers(), month=month, as_of=as_of)
        if drifts:
            return [str(drift) for drift in drifts]
        seal_spans(spans=_spans_of(month), month=month)
        finish_sealing(month=month, as_of=as_of)
    return [str(difference) for difference in differences]


def _spans_of(month: date) -> Iterator[UsageSpan]:
    """Yield the spans of the month's invoices, and of those after it that events of the month may reach."""
    following = [month_after(month), month_after(month_after(month))] if levels_are_metered() else []
    for each in (month, *following):
        for invoices in _batches(each):
            yield from spans_asked(invoices, lines_of(invoices))


def _batches(month: date) -> Iterator[list[Invoice]]:
    ids = list(invoices_of_month(month).values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH_SIZE):
        yield list(invoices_of_month(month).filter(pk__in=ids[start : start + BATCH_SIZE]))


def _named(month: date) -> str:
    return f"{month:%Y-%m}"
