"""The jobs of proofs, each recorded with its findings. Schedules, commands and the admin start the same ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from accounts.domain.job_report import Finding, Findings, JobReport
from accounts.models import JobRun, Tenant
from accounts.services.jobs import run_job
from metering.proofs.selectors.leaves import Half
from metering.proofs.services.day_signing import sign_days
from metering.proofs.services.verification import Verified, verify_ledgers
from metering.selectors.ledgers import ledgers

SIGNING_JOB: Final = "signing"
LEDGER_PROOF_JOB: Final = "ledger_proof"
LEDGER_PROOF_OF_SOME_JOB: Final = "ledger proof of some"
BREAKS_KEPT_MAX: Final = 20


def run_signing(*, started_by: str, as_of: datetime, halves: Sequence[Half] | None = None) -> JobRun:
    """Sign each ledger's days that are over."""

    def work() -> JobReport:
        signed = sign_days(as_of=as_of, halves=halves)
        return JobReport({"days": signed.days, "leaves": signed.leaves, "late": signed.late})

    return run_job(name=SIGNING_JOB, started_by=started_by, as_of=as_of, work=work)


def run_ledger_proof(*, started_by: str, as_of: datetime, slugs: Sequence[str] | None = None) -> Verified:
    """Verify ledgers by their signed days, of all or of the named tenants; what breaks is stored as findings."""
    found: list[Verified] = []

    def work() -> JobReport:
        found.append(verify_ledgers(ledgers=ledgers(slugs=list(slugs) if slugs else None), as_of=as_of))
        return _report_of(found[0], slugs)

    name = LEDGER_PROOF_OF_SOME_JOB if slugs else LEDGER_PROOF_JOB
    run_job(name=name, started_by=started_by, as_of=as_of, work=work)
    return found[0]


def _report_of(found: Verified, slugs: Sequence[str] | None) -> JobReport:
    summary: dict[str, object] = {
        "ledgers": found.ledgers,
        "days": found.days,
        "leaves": found.leaves,
        "breaks": len(found.breaks),
    }
    if found.breaks:
        summary["first"] = [str(one) for one in found.breaks[:BREAKS_KEPT_MAX]]
    looked_at = None if not slugs else list(Tenant.objects.filter(slug__in=slugs).values_list("pk", flat=True))
    firsts = {(one.ledger.tenant_id, one.ledger.is_live): one for one in reversed(found.breaks)}
    findings = [
        Finding(
            subject=f"signed days of {tenant_id}, {'live' if is_live else 'test'}",
            code="ledger_proof",
            detail=f"The first day that breaks: {one}",
            tenant_id=tenant_id,
            is_holding=is_live,
        )
        for (tenant_id, is_live), one in firsts.items()
    ]
    return JobReport(
        summary, needs_attention=bool(found.breaks), findings=Findings(LEDGER_PROOF_JOB, findings, tenant_ids=looked_at)
    )
