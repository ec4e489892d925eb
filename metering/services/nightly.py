"""The jobs that check and maintain the ledger, each recorded with its findings.

Schedules, commands and the admin start the same jobs.

Each may run at any moment, also twice at once: no job changes the result of another.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from accounts.domain.job_report import Finding, Findings, JobReport
from accounts.models import JobRun, Tenant
from accounts.services.jobs import run_job
from metering.selectors.ledgers import ledgers
from metering.selectors.reservations import ledgers_with_expired
from metering.services.limits.comparison import compare_counters, delete_ended_counters
from metering.services.limits.reservations import delete_ended_reservations, end_expired_reservations
from metering.services.partitions import ensure_partitions_around
from metering.services.rebuild import rebuild_usage
from metering.services.reconciliation import Reconciliation, reconcile
from metering.services.verdicts import delete_old_verdicts

PARTITIONS_JOB: Final = "partitions"
RECONCILIATION_JOB: Final = "reconciliation"
RECONCILIATION_OF_SOME_JOB: Final = "reconciliation of some"
LIMITS_JOB: Final = "limits"
VERDICTS_JOB: Final = "verdicts"
DRIFTS_KEPT_MAX: Final = 20
BACKFILL_DAYS_LEAST: Final = 62


def run_repair(*, started_by: str, as_of: datetime, slugs: Sequence[str] | None = None) -> tuple[Reconciliation, int]:
    """Compare, rebuild each ledger that drifted, and compare again. Return the last comparison, and how many went."""
    before = run_reconciliation(started_by=started_by, as_of=as_of, slugs=slugs)
    drifted = {(drift.tenant_id, drift.is_live) for drift in before.drifts}
    if not drifted:
        return before, 0
    for ledger in ledgers(tenant_ids=[tenant_id for tenant_id, _ in drifted]):
        if (ledger.tenant_id, ledger.is_live) in drifted:
            rebuild_usage(ledger=ledger)
    after = run_reconciliation(started_by=started_by, as_of=as_of, slugs=slugs)
    return after, len(before.drifts) - len(after.drifts)


def run_reconciliation(*, started_by: str, as_of: datetime, slugs: Sequence[str] | None = None) -> Reconciliation:
    """Compare ledgers and rollups, of all or of the named tenants; the first drifts are stored with the run."""
    found: list[Reconciliation] = []

    def work() -> JobReport:
        found.append(reconcile(ledgers=ledgers(slugs=list(slugs) if slugs else None)))
        return _report_of(found[0], slugs)

    # A comparison of some tenants must not count as the nightly comparison of all.
    name = RECONCILIATION_OF_SOME_JOB if slugs else RECONCILIATION_JOB
    run_job(name=name, started_by=started_by, as_of=as_of, work=work)
    return found[0]


def _report_of(found: Reconciliation, slugs: Sequence[str] | None) -> JobReport:
    summary: dict[str, object] = {
        "ledgers": found.ledgers,
        "hours": found.hours,
        "days": found.days,
        "drifts": len(found.drifts),
    }
    if slugs:
        summary["tenants"] = list(slugs)
    if found.drifts:
        summary["first"] = [str(drift) for drift in found.drifts[:DRIFTS_KEPT_MAX]]
    return JobReport(summary, needs_attention=not found.is_clean, findings=_findings_of(found, slugs))


def _findings_of(found: Reconciliation, slugs: Sequence[str] | None) -> Findings:
    """Return one finding for each rollup of a ledger; a drift of live usage stops the tenant's billing."""
    looked_at = None if not slugs else list(Tenant.objects.filter(slug__in=slugs).values_list("pk", flat=True))
    drifts = [
        Finding(
            subject=f"{drift.rollup} of {drift.tenant_id}, {'live' if drift.is_live else 'test'}",
            code="drift",
            detail=str(drift),
            tenant_id=drift.tenant_id,
            is_holding=drift.is_live,
        )
        for drift in found.drifts
    ]
    return Findings(RECONCILIATION_JOB, drifts, tenant_ids=looked_at)


def run_partitions(*, started_by: str, as_of: datetime) -> JobRun:
    """Create the partitions that events may need: from the longest backfill window of a tenant to some months ahead."""
    return run_job(name=PARTITIONS_JOB, started_by=started_by, as_of=as_of, work=partial(_make_partitions, as_of))


def _make_partitions(as_of: datetime) -> JobReport:
    longest = Tenant.objects.order_by("-backfill_days").values_list("backfill_days", flat=True).first()
    made = ensure_partitions_around(as_of=as_of, backfill_days=max(longest or 0, BACKFILL_DAYS_LEAST))
    return JobReport({"made": made})


def run_limit_comparison(*, started_by: str, as_of: datetime) -> JobRun:
    """Correct counters of limits that differ from the ledger, delete those whose period is over, end reservations."""
    return run_job(name=LIMITS_JOB, started_by=started_by, as_of=as_of, work=partial(_compare_limits, as_of))


def _compare_limits(as_of: datetime) -> JobReport:
    compared = compare_counters(ledgers=ledgers(), as_of=as_of)
    expired = sum(end_expired_reservations(ledger=ledger, as_of=as_of) for ledger in ledgers_with_expired(as_of))
    summary = {
        "reservations_expired": expired,
        "reservations_deleted": delete_ended_reservations(as_of=as_of),
        "counters": compared.counters,
        "set_right": len(compared.drifts),
        "ended": delete_ended_counters(as_of=as_of),
    }
    findings = [
        Finding(
            subject=f"counters of {drift.ledger.tenant_id}, {'live' if drift.ledger.is_live else 'test'}",
            code="counter",
            detail=f"Meter {drift.key.meter_id} since {drift.key.period_start:%Y-%m-%d %H:%M} UTC: counted"
            f" {drift.counted:f}, ledger {drift.in_ledger:f}; corrected.",
            tenant_id=drift.ledger.tenant_id,
        )
        for drift in compared.drifts
    ]
    return JobReport(summary, needs_attention=bool(findings), findings=Findings(LIMITS_JOB, findings))


def run_verdict_clean_up(*, started_by: str, as_of: datetime) -> JobRun:
    """Delete verdicts that are older than a week."""
    return run_job(name=VERDICTS_JOB, started_by=started_by, as_of=as_of, work=partial(_delete_verdicts, as_of))


def _delete_verdicts(as_of: datetime) -> JobReport:
    return JobReport({"verdicts": delete_old_verdicts(as_of=as_of)})
