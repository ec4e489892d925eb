"""Push usage to providers that keep meters: each hour's total per tenant and meter, as a copy of the ledger.

The copy is not used for billing. An hour whose total changed is pushed again with its new total under the next
revision, and the provider keeps the newest of each hour. The row is written first, then the provider is called, then
the outcome is stored. So after a crash in between the row is still pending, and the provider refuses a push that had
arrived as a duplicate.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.errors import ConflictError, NotFoundError
from accounts.models import JobRun
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from billing.collection.domain.provider import UsageMeters, UsageTotal
from billing.collection.errors import PaymentProviderError, PaymentRefusedError
from billing.collection.gateways.registry import configured_providers
from billing.collection.models import PushStatus, UsagePush
from billing.collection.selectors.usage import changed_hours, pending_pushes
from metering.domain.aggregations.registry import ADDITIVE_CODES
from metering.domain.periods import start_of_hour
from metering.models import Meter

USAGE_PUSH_JOB: Final = "usage_push"
BATCH: Final = 5000
WITHOUT_ANSWER_MAX: Final = 3
ERROR_CHARACTERS_MAX: Final = 300


@dataclass(slots=True)
class Pushed:
    """The result of a run."""

    delivered: int = 0
    duplicates: int = 0
    rejected: list[str] = field(default_factory=list)
    away: str = ""

    def report(self) -> JobReport:
        """Return the report for the admin."""
        summary = {"delivered": self.delivered, "duplicates": self.duplicates, "rejected": self.rejected[:20]}
        return JobReport({**summary, "away": self.away}, needs_attention=bool(self.rejected or self.away))


def push_usage(*, as_of: datetime) -> Pushed:
    """Push the totals of all hours that have ended and changed since their last push.

    Safe to run twice and at once.
    """
    done = Pushed()
    for provider in configured_providers():
        if meters := provider.usage_meters():
            _push_to(provider.name, meters, done, as_of)
    return done


def _push_to(provider: str, meters: UsageMeters, done: Pushed, as_of: datetime) -> None:
    plan_pushes(provider=provider, age_max=meters.age_max, as_of=as_of, decimals=meters.decimals)
    try:
        known = meters.codes()
    except PaymentProviderError as error:
        done.away = error.detail
        return
    without_answer = 0
    for push, customer_reference in pending_pushes(provider=provider, limit=BATCH):
        try:
            if push.meter.code not in known:
                meters.create_meter(code=push.meter.code, name=push.meter.name)
                known.add(push.meter.code)
            _send(meters, push, customer_reference, done, as_of)
            without_answer = 0
        except PaymentProviderError as error:
            # A push that fails does not stop the others; a provider that does not respond does.
            done.away, without_answer = error.detail, without_answer + 1
            if without_answer >= WITHOUT_ANSWER_MAX:
                break


def run_usage_push(*, started_by: str, as_of: datetime) -> JobRun:
    """Push usage, recorded as a run of the job."""
    return run_job(
        name=USAGE_PUSH_JOB, started_by=started_by, as_of=as_of, work=lambda: push_usage(as_of=as_of).report()
    )


def plan_pushes(*, provider: str, age_max: timedelta, as_of: datetime, decimals: int = 0) -> int:
    """Write a pending row for each hour whose total differs from the last push; return how many."""
    hours = changed_hours(
        provider=provider, since=as_of - age_max, until=start_of_hour(as_of), limit=BATCH, decimals=decimals
    )
    UsagePush.objects.bulk_create(
        (
            UsagePush(
                provider=provider,
                tenant_id=tenant_id,
                meter_id=meter_id,
                hour=hour,
                revision=revision,
                quantity=total,
                identifier=f"{tenant_id}:{meter_id}:{int(hour.timestamp())}:{revision}",
                created_at=as_of,
            )
            for tenant_id, meter_id, hour, total, revision in hours
        ),
        ignore_conflicts=True,
    )
    return len(hours)


def retry_push(*, push_id: int, actor: Actor, as_of: datetime) -> None:
    """Mark a rejected push to be tried again, after staff have removed the cause.

    Raises `NotFoundError`, `ConflictError`.
    """
    with transaction.atomic():
        push = UsagePush.objects.select_related("tenant").filter(pk=push_id).first()
        if push is None:
            raise NotFoundError("There is no such push.")
        rejected = UsagePush.objects.filter(pk=push_id, status=PushStatus.REJECTED)
        if rejected.update(status=PushStatus.PENDING, finished_at=None) != 1:
            raise ConflictError("Only a rejected push can be tried again.")
        record_audit(
            actor=actor,
            action="usage_push.retried",
            tenant_id=push.tenant_id,
            target=AuditTarget("usage_push", push.pk, push.identifier),
            before={"status": push.status, "error": push.error},
            as_of=as_of,
        )


def ensure_meters(*, meters: UsageMeters) -> tuple[int, list[str]]:
    """Create missing meters at a provider; return the number of meters, and the codes of the created ones."""
    known = meters.codes()
    lacking = list(Meter.objects.filter(aggregation__in=ADDITIVE_CODES).exclude(code__in=known).order_by("code"))
    for meter in lacking:
        meters.create_meter(code=meter.code, name=meter.name)
    return len(known) + len(lacking), [meter.code for meter in lacking]


def _send(meters: UsageMeters, push: UsagePush, customer_reference: str, done: Pushed, as_of: datetime) -> None:
    UsagePush.objects.filter(pk=push.pk).update(attempts=F("attempts") + 1)
    total = UsageTotal(
        meter_code=push.meter.code,
        identifier=push.identifier,
        customer_reference=customer_reference,
        quantity=int(push.quantity.scaleb(meters.decimals)),
        hour=push.hour,
        revision=push.revision,
    )
    try:
        is_new = meters.send(total)
    except PaymentRefusedError as error:
        if _keep(push, PushStatus.REJECTED, error.detail, as_of):
            done.rejected.append(f"{push.identifier}: {error.detail}")
        return
    if is_new:
        done.delivered += _keep(push, PushStatus.DELIVERED, "", as_of)
    else:
        done.duplicates += _keep(push, PushStatus.DUPLICATE, "", as_of)


def _keep(push: UsagePush, status: PushStatus, error: str, as_of: datetime) -> int:
    """Store the outcome; if two workers pushed the same row, the first outcome stays. Return whether this was it."""
    waiting = UsagePush.objects.filter(pk=push.pk, status=PushStatus.PENDING)
    return waiting.update(status=status, error=error[:ERROR_CHARACTERS_MAX], finished_at=as_of)
