"""Usage to Stripe: each hour's total per tenant and meter, as a copy of the ledger for whoever looks at it there.

Nothing is billed from the copy. An hour whose total changed is pushed again with its new total under the next revision, and the
meter at Stripe keeps the newest event of each hour. The row is written first, then the network is asked, then the outcome is kept;
so of a push that died in between the row is still pending, and Stripe's refusal of a duplicate says that it had arrived.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.errors import ConflictError, NotFoundError
from accounts.models import JobRun
from accounts.services.audit import record_audit
from accounts.services.jobs import run_job
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.selectors.work import changed_hours, pending_pushes
from billing.errors import PaymentProviderError, PaymentRefusedError
from billing.models import PushStatus, UsagePush
from metering.domain.periods import start_of_hour
from metering.models import Meter

USAGE_PUSH_JOB: Final = "usage_push"
BATCH: Final = 5000
WITHOUT_ANSWER_MAX: Final = 3
ERROR_CHARACTERS_MAX: Final = 300
SECONDS_OF_HOUR_LAST: Final = 3599


@dataclass(slots=True)
class Pushed:
    """What a run did."""

    delivered: int = 0
    duplicates: int = 0
    rejected: list[str] = field(default_factory=list)
    away: str = ""

    def report(self) -> JobReport:
        """For the admin."""
        summary = {"delivered": self.delivered, "duplicates": self.duplicates, "rejected": self.rejected[:20]}
        return JobReport({**summary, "away": self.away}, needs_attention=bool(self.rejected or self.away))


def push_usage(*, as_of: datetime) -> Pushed:
    """Push the totals of all hours that have ended and changed since they were pushed last. Safe to run twice and at once."""
    done = Pushed()
    if not stripe_api.is_configured():
        return done
    plan_pushes(as_of=as_of)
    try:
        known = stripe_api.meters()
    except PaymentProviderError as error:
        done.away = error.detail
        return done
    without_answer = 0
    for push, customer_id in pending_pushes(limit=BATCH):
        try:
            _send(push, customer_id, known, done, as_of)
            without_answer = 0
        except PaymentProviderError as error:
            # One that is never answered does not stop the others; a Stripe that is away does.
            done.away, without_answer = error.detail, without_answer + 1
            if without_answer >= WITHOUT_ANSWER_MAX:
                break
    return done


def run_usage_push(*, started_by: str, as_of: datetime) -> JobRun:
    """The same, recorded as a run of its job."""
    return run_job(
        name=USAGE_PUSH_JOB, started_by=started_by, as_of=as_of, work=lambda: push_usage(as_of=as_of).report()
    )


def plan_pushes(*, as_of: datetime) -> int:
    """Write a pending row for each hour whose total is not what was pushed last; answers how many."""
    hours = changed_hours(until=start_of_hour(as_of), as_of=as_of, limit=BATCH)
    UsagePush.objects.bulk_create(
        (
            UsagePush(
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
    """Let a rejected push be tried again: for staff, who have removed what was in its way. Raises `NotFoundError`, `ConflictError`."""
    with transaction.atomic():
        push = UsagePush.objects.select_related("tenant").filter(pk=push_id).first()
        if push is None:
            raise NotFoundError("There is no such push.")
        rejected = UsagePush.objects.filter(pk=push_id, status=PushStatus.REJECTED)
        if rejected.update(status=PushStatus.PENDING, finished_at=None) != 1:
            raise ConflictError("Only a rejected push is tried again.")
        record_audit(
            actor=actor,
            action="usage_push.retried",
            tenant_id=push.tenant_id,
            target_kind="usage_push",
            target_id=push.pk,
            target_label=push.identifier,
            before={"status": push.status, "error": push.error},
            as_of=as_of,
        )


def ensure_meters(known: dict[str, str]) -> list[str]:
    """Make at Stripe the meters that it lacks, and add them to `known`; answers their codes."""
    made = []
    for meter in Meter.objects.exclude(code__in=known).order_by("code"):
        _ensure_meter(meter, known)
        made.append(meter.code)
    return made


def _ensure_meter(meter: Meter, known: dict[str, str]) -> None:
    if meter.code not in known:
        described = stripe_api.create_meter(event_name=meter.code, display_name=meter.name)
        known[meter.code] = str(described.get("id"))


def _send(push: UsagePush, customer_id: str, known: dict[str, str], done: Pushed, as_of: datetime) -> None:
    hour = int(push.hour.timestamp())
    UsagePush.objects.filter(pk=push.pk).update(attempts=F("attempts") + 1)
    try:
        _ensure_meter(push.meter, known)
        stripe_api.send_meter_event(
            event_name=push.meter.code,
            identifier=push.identifier,
            customer_id=customer_id,
            value=str(int(push.quantity)),
            # Within its hour, each revision after the one before: the newest counts.
            timestamp=hour + min(push.revision, SECONDS_OF_HOUR_LAST),
        )
    except PaymentRefusedError as error:
        if error.reason == stripe_api.DUPLICATE_METER_EVENT:
            done.duplicates += _keep(push, PushStatus.DUPLICATE, "", as_of)
        elif _keep(push, PushStatus.REJECTED, error.detail, as_of):
            done.rejected.append(f"{push.identifier}: {error.detail}")
    else:
        done.delivered += _keep(push, PushStatus.DELIVERED, "", as_of)


def _keep(push: UsagePush, status: PushStatus, error: str, as_of: datetime) -> int:
    """Keep the outcome; of two that pushed the same the first is kept. Answers whether this was it."""
    waiting = UsagePush.objects.filter(pk=push.pk, status=PushStatus.PENDING)
    return waiting.update(status=status, error=error[:ERROR_CHARACTERS_MAX], finished_at=as_of)
