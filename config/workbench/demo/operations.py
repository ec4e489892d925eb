"""What the demo's operators have seen: a difference that is settled and one that is open, an outage, an export."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from accounts.domain.actor import Actor
from accounts.domain.job_report import Finding, Findings, JobReport
from accounts.domain.roles import Role
from accounts.exports.models import TenantExport
from accounts.exports.services.making import make_exports
from accounts.exports.services.requesting import request_export
from accounts.gateways.circuits import Admission, record_failure
from accounts.models import Circuit, Discrepancy, JobRun, Membership, Tenant
from accounts.services.discrepancies import accept_discrepancy, record_findings
from accounts.services.jobs import run_job
from billing.collection.domain.comparing import FindingCode
from billing.collection.models import PaymentFinding
from config.operations.books import PROOFS
from config.operations.schedules import planned_job, run_soon
from config.workbench.demo.cast import MAIN_TENANT
from metering.domain.ledger import Drift
from metering.models import Meter
from metering.services.nightly import LIMITS_JOB, RECONCILIATION_JOB

SETTLED_FOR: Final = "fjord-robotics"
OPEN_FOR: Final = "atlas-freight"
OUTAGES: Final = (
    ("stripe", "APIConnectionError: Read timed out. (read timeout=5)"),
    ("mail", "TimeoutError: [Errno 110] Connection timed out"),
)
# The fake Stripe has this payout as well, so that each night's reconciliation finds it again.
PAYOUT_BEFORE: Final = timedelta(hours=9)
IN_LEDGER, COUNTED = Decimal(947), Decimal(944)


def add_differences(*, tenants: Sequence[Tenant], actor: Actor, as_of: datetime) -> None:
    """Add two findings, once: one of three weeks ago, and one of the last hour.

    The recent one is closed by the next comparison of counters, as each of them is. It stops no billing.
    """
    if Discrepancy.objects.exists():
        return
    by_slug = {tenant.slug: tenant for tenant in tenants}
    if SETTLED_FOR in by_slug:
        _settle(by_slug[SETTLED_FOR], actor, (as_of - timedelta(days=23)).replace(hour=2, minute=30))
    if OPEN_FOR in by_slug:
        _leave_open(by_slug[OPEN_FOR], as_of - timedelta(minutes=12))


def add_payment_findings(*, tenants: Sequence[Tenant], actor: Actor, as_of: datetime) -> None:
    """Add two findings of the reconciliation with Stripe, once: one that is settled and gone, and one that waits."""
    by_slug = {tenant.slug: tenant for tenant in tenants}
    if PaymentFinding.objects.exists() or not {SETTLED_FOR, OPEN_FOR} <= by_slug.keys():
        return
    earlier, last_night = as_of - timedelta(days=21), as_of - PAYOUT_BEFORE
    PaymentFinding.objects.create(
        provider="stripe", subject="payment in_demo_twice", code=FindingCode.TWICE, tenant=by_slug[SETTLED_FOR],
        ours="one payment", theirs="2 charges that succeeded",
        explanation="The customer was charged more than once for one invoice.", happened_at=earlier,
        opened_at=earlier, seen_at=earlier + timedelta(days=1), closed_at=earlier + timedelta(days=2),
        closed_because="Both sides agree: the check no longer finds it.", settled_at=earlier + timedelta(hours=4),
        settled_by=actor.label, settlement="Refunded the second charge in Stripe's dashboard.",
    )  # fmt: skip
    PaymentFinding.objects.create(
        provider="stripe", subject="payout po_demo", code=FindingCode.PAYOUT, ours="1,204.00 EUR by its parts",
        theirs="1,203.50 EUR sent", happened_at=last_night, opened_at=last_night, seen_at=last_night,
        explanation="A payout is not the sum of the payments, refunds and fees that it consists of.",
    )  # fmt: skip


def queue_proofs() -> None:
    """Queue reconciliation and verification unless they ran before, so that the health of the books is soon known."""
    for name in sorted(PROOFS - set(JobRun.objects.values_list("name", flat=True))):
        job = planned_job(name)
        assert job is not None, "a proof is a planned job"
        run_soon(job=job, started_by="the demo")


def add_outages() -> None:
    """Add a failed call of each service, once. The next call that is answered closes its row."""
    for name, error in OUTAGES:
        if not Circuit.objects.filter(name=name).exists():
            record_failure(Admission(name, is_clean=True, is_probe=False), error)


def add_export(*, tenants: Sequence[Tenant], as_of: datetime) -> None:
    """Export all data of the main tenant, once, as its owner asked."""
    owners = Membership.objects.filter(tenant__in=tenants, tenant__slug=MAIN_TENANT, role=Role.OWNER)
    owner = owners.select_related("tenant", "user").order_by("pk").first()
    if owner is not None and not TenantExport.objects.filter(tenant=owner.tenant).exists():
        actor = Actor.member(user_id=owner.user_id, label=owner.user.email)
        request_export(tenant=owner.tenant, actor=actor, as_of=as_of)
        make_exports(as_of=as_of)


def _settle(tenant: Tenant, actor: Actor, found_at: datetime) -> None:
    """Find a day whose usage differs, accept it, and no longer find it in the night after the rebuild."""
    bucket = {"day": f"{found_at - timedelta(days=1):%Y-%m-%d}", "meter_id": _meter_id()}
    drift = Drift(tenant.pk, True, "usage_day", bucket, Decimal(61), Decimal(60), 61, 60)  # noqa: FBT003 - is_live
    subject = f"{drift.rollup} of {tenant.pk}, live"
    finding = Finding(subject, "drift", str(drift), tenant.pk, is_holding=True)
    record_findings(findings=Findings(RECONCILIATION_JOB, [finding], subjects=[subject]), as_of=found_at)
    accept_discrepancy(
        discrepancy=Discrepancy.objects.get(subject=subject),
        reason="One request of the restore drill. The day is rebuilt tonight.",
        actor=actor,
        as_of=found_at + timedelta(hours=6),
    )
    record_findings(findings=Findings(RECONCILIATION_JOB, subjects=[subject]), as_of=found_at + timedelta(days=1))


def _leave_open(tenant: Tenant, found_at: datetime) -> None:
    """Record the comparison that found a counter and corrected it."""
    finding = Finding(
        subject=f"counters of {tenant.pk}, live",
        code="counter",
        detail=f"Meter {_meter_id()} since {found_at:%Y-%m}-01 00:00 UTC: counted {COUNTED:f}, ledger {IN_LEDGER:f};"
        " corrected.",
        tenant_id=tenant.pk,
    )
    summary = {"counters": 1, "set_right": 1, "ended": 0}
    report = JobReport(summary, needs_attention=True, findings=Findings(LIMITS_JOB, [finding]))
    run_job(name=LIMITS_JOB, started_by="schedule", as_of=found_at, work=lambda: report)


def _meter_id() -> int:
    return int(Meter.objects.values_list("pk", flat=True).get(code="api_requests"))
