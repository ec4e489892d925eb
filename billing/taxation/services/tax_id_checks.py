"""Check whether VAT numbers are in use. Each result of VIES or staff is stored with its day, as evidence."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.domain.tax_ids import EU, is_tax_id, tax_country
from accounts.domain.transitions import TenantStatus
from accounts.errors import ConflictError
from accounts.models import JobRun, Tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from billing.models import Issuer, TaxIdCheck
from billing.taxation.gateways.vies import ViesAnswer, ViesError, is_vies_on, query_vies

CHECK_JOB: Final = "tax_ids"
# A number that was in use may no longer be.
VALID_FOR: Final = timedelta(days=90)
CHECKED_MAX: Final = 200
VIES: Final = "vies"
STAFF: Final = "staff"


def run_tax_id_checks(*, started_by: str, as_of: datetime) -> JobRun:
    """Check VAT numbers at VIES whose last check is too old, recorded as a run of a job."""
    return run_job(name=CHECK_JOB, started_by=started_by, as_of=as_of, work=lambda: _report(as_of))


def check_tax_ids(*, as_of: datetime) -> tuple[int, int]:
    """Check due VAT numbers; return how many VIES could check, and how many not. Does nothing if VIES is off.

    A member state that does not respond is not called again in this run.
    """
    if not is_vies_on():
        return 0, 0
    requester = _requester()
    answered, silent = 0, dict[str, int]()
    for tenant in list(due_tax_ids(as_of)[:CHECKED_MAX]):
        state = tenant.tax_id[:2]
        if state in silent or not is_tax_id(tenant.tax_id, tenant.country):
            continue
        try:
            answer = query_vies(tenant.tax_id, requester=requester)
        except ViesError:
            silent[state] = silent.get(state, 0) + 1
            continue
        _keep(tenant, answer, as_of)
        answered += 1
    return answered, sum(silent.values())


def due_tax_ids(as_of: datetime) -> QuerySet[Tenant]:
    """Return the tenants in other member states whose current number has no recent check."""
    seller = tax_country(Issuer.objects.values_list("country", flat=True).get(pk=1))
    abroad = [country for country in (*sorted(EU), "MC") if tax_country(country) != seller]
    fresh = TaxIdCheck.objects.filter(
        tenant=OuterRef("pk"), tax_id=OuterRef("tax_id"), checked_at__gt=as_of - VALID_FOR
    )
    return (
        Tenant.objects.filter(~Exists(fresh), ~Q(tax_id=""), country__in=abroad)
        .exclude(status=TenantStatus.CLOSED)
        .order_by("created_at", "pk")
    )


def record_tax_id_check(*, tenant: Tenant, is_valid: bool, reference: str, actor: Actor, as_of: datetime) -> TaxIdCheck:
    """Record a check of a tenant's number by staff. Raises `ConflictError` if the tenant has no number."""
    if not tenant.tax_id:
        raise ConflictError(f"{tenant} has no tax id.")
    check: TaxIdCheck = TaxIdCheck.objects.create(
        tenant=tenant,
        tax_id=tenant.tax_id,
        is_valid=is_valid,
        source=STAFF,
        reference=reference[:500],
        checked_at=as_of,
    )
    record_audit(
        actor=actor,
        action="tenant.tax_id_checked",
        tenant_id=tenant.pk,
        target=AuditTarget("tenant", tenant.pk, tenant.slug),
        after={"tax_id": tenant.tax_id, "is_valid": is_valid, "reference": reference},
        as_of=as_of,
    )
    return check


def _report(as_of: datetime) -> JobReport:
    answered, silent = check_tax_ids(as_of=as_of)
    return JobReport({"answered": answered, "unanswered": silent}, needs_attention=bool(silent))


def _keep(tenant: Tenant, answer: ViesAnswer, as_of: datetime) -> None:
    TaxIdCheck.objects.create(
        tenant=tenant,
        tax_id=tenant.tax_id,
        is_valid=answer.is_valid,
        source=VIES,
        reference=answer.reference,
        name=answer.name,
        address=answer.address,
        checked_at=as_of,
    )


def _requester() -> str:
    """Return the seller's number, if it is one of a member state."""
    issuer = Issuer.objects.only("country", "tax_id").get(pk=1)
    is_own = tax_country(issuer.country) in EU and is_tax_id(issuer.tax_id, issuer.country)
    return issuer.tax_id if is_own else ""
