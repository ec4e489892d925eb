"""The dunning of a tenant: its unpaid cases, what is next in each, and whether it is paused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from billing.dunning.domain.states import AFTER_PAYMENT, CaseStatus, StepKind, StepStatus
from billing.dunning.models import DunningCase, DunningPause, DunningStep
from billing.dunning.selectors.schedules import may_change_plan

CASES_MAX: Final = 50
# A step that has been running for so long was interrupted.
INTERRUPTED_AFTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class CaseAhead:
    """An unpaid case and the moments of its next steps."""

    case: DunningCase
    retries_at: datetime | None
    suspends_at: datetime | None
    cancels_at: datetime | None


@dataclass(frozen=True, slots=True)
class TenantDunning:
    """The unpaid cases of a tenant, the oldest first, and whether they are paused."""

    cases: Sequence[CaseAhead]
    is_paused: bool = False

    @property
    def stage(self) -> str:
        """Return the worst stage of the cases; empty without one."""
        order = ("cancelled", "suspended", "past_due")
        return next((stage for stage in order if any(one.case.stage == stage for one in self.cases)), "")

    @property
    def first(self) -> CaseAhead | None:
        """Return the oldest case."""
        return self.cases[0] if self.cases else None


def dunning_of(tenant_id: UUID) -> TenantDunning:
    """Return the dunning of a tenant, in two queries; in one if nothing is unpaid."""
    paused = DunningPause.objects.filter(tenant=OuterRef("tenant"), ended_at=None)
    planned = DunningStep.objects.filter(status=StepStatus.PLANNED).order_by("position")
    cases = list(
        DunningCase.objects.filter(tenant=tenant_id, closed_at=None)
        .annotate(is_paused=Exists(paused))
        .select_related("invoice", "schedule")
        .prefetch_related(Prefetch("steps", queryset=planned, to_attr="planned"))
        .order_by("opened_at", "pk")[:CASES_MAX]
    )
    return TenantDunning([_ahead(case) for case in cases], any(case.is_paused for case in cases))


def pause_of(tenant_id: UUID) -> DunningPause | None:
    """Return the tenant's current pause."""
    return DunningPause.objects.filter(tenant=tenant_id, ended_at=None).first()


def plan_may_change(tenant_id: UUID) -> bool:
    """Return whether no unpaid case keeps the customer from changing its plan."""
    cases = DunningCase.objects.filter(tenant=tenant_id, closed_at=None).select_related("schedule")
    return all(may_change_plan(case.schedule, case.stage) for case in cases)


def due_steps(*, as_of: datetime, limit: int) -> list[int]:
    """Find the steps to run now: of each case the first one that is not finished, the longest due first.

    A paused tenant has none. A step that was interrupted is found again.
    """
    earlier = DunningStep.objects.filter(
        case=OuterRef("case"), position__lt=OuterRef("position"), status__in=[StepStatus.PLANNED, StepStatus.RUNNING]
    )
    paused = DunningPause.objects.filter(tenant=OuterRef("case__tenant"), ended_at=None)
    is_wanted = Q(case__status=CaseStatus.OPEN) | Q(kind__in=list(AFTER_PAYMENT))
    due: QuerySet[DunningStep] = DunningStep.objects.filter(
        (is_wanted & Q(status=StepStatus.PLANNED, due_at__lte=as_of))
        | Q(status=StepStatus.RUNNING, started_at__lte=as_of - INTERRUPTED_AFTER),
        ~Exists(paused),
        ~Exists(earlier),
    )
    return list(due.order_by("due_at", "pk").values_list("pk", flat=True)[:limit])


def late_steps(before: datetime) -> int:
    """Count the steps that were due before a moment and are not run; those of paused tenants wait."""
    paused = DunningPause.objects.filter(tenant=OuterRef("case__tenant"), ended_at=None)
    is_wanted = Q(case__status=CaseStatus.OPEN) | Q(kind__in=list(AFTER_PAYMENT))
    waiting = Q(status=StepStatus.PLANNED, due_at__lt=before) | Q(status=StepStatus.RUNNING, started_at__lt=before)
    return DunningStep.objects.filter(is_wanted, waiting, ~Exists(paused)).count()


def next_step(case: DunningCase, kind: StepKind) -> DunningStep | None:
    """Return the next planned step of a kind."""
    return case.steps.filter(status=StepStatus.PLANNED, kind=kind).order_by("position").first()


def _ahead(case: DunningCase) -> CaseAhead:
    planned: Sequence[DunningStep] = getattr(case, "planned", ())

    def at(kind: StepKind) -> datetime | None:
        return next((step.due_at for step in planned if step.kind == kind), None)

    return CaseAhead(case, at(StepKind.RETRY), at(StepKind.SUSPEND), at(StepKind.CANCEL))
