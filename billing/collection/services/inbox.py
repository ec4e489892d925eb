"""The inbox of providers' events: stored before the response, processed once by any worker.

An event's row is the queue. A worker claims it for some minutes, calls the provider with no transaction open, then
locks the row, applies the provider's state and marks the event in one transaction. If the worker dies before that
commit, nothing has changed, and another worker takes the event when the claim is over. Invoices that result from it
are found by their state: see `tasks`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.domain.masking import mask_secrets
from accounts.errors import ConflictError, NotFoundError, ProblemError
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from accounts.sql import fetch_all
from billing.collection.domain.provider import DeliveredRequest, IgnoredEvent, InboundEvent
from billing.collection.errors import PaymentProviderError
from billing.collection.gateways.registry import provider_named
from billing.collection.models import InboxEvent, InboxStatus
from billing.collection.services.news import ProviderAnswer, StateMovedError, apply_answer, fetch_answer

INBOX_JOB: Final = "inbox"
BATCH: Final = 200
CLAIMED_FOR: Final = timedelta(minutes=5)
FIRST_PAUSE: Final = timedelta(minutes=1)
PAUSE_MAX: Final = timedelta(hours=6)
ATTEMPTS_MAX: Final = 20  # about three days, as long as providers themselves retry
ASKED_AGAIN_MAX: Final = 5
OUTCOME_CHARACTERS_MAX: Final = 300
_WAITING: Final = (InboxStatus.PENDING, InboxStatus.FAILED)

STORE = """
INSERT INTO collection_inboxevent
    (provider, event_id, type, payload, status, outcome, error, attempts, deliveries, received_at, next_attempt_at,
        processed_at)
VALUES (%(provider)s, %(event_id)s, %(type)s, %(payload)s::jsonb, %(status)s, %(outcome)s, %(error)s, 0, 1,
    %(as_of)s, %(next_attempt_at)s, %(processed_at)s)
ON CONFLICT (provider, event_id) DO UPDATE SET deliveries = collection_inboxevent.deliveries + 1
RETURNING deliveries, status, payload = %(payload)s::jsonb
"""
OTHER_CONTENT: Final = "The event of this id was delivered before with other content, which was kept."


@dataclass(slots=True)
class InboxRun:
    """The result of a run."""

    processed: int = 0
    ignored: int = 0
    failed: list[str] = field(default_factory=list)
    tenant_ids: set[UUID] = field(default_factory=set)

    def report(self) -> JobReport:
        """Return the report for the admin."""
        summary = {"processed": self.processed, "ignored": self.ignored, "failed": self.failed[:20]}
        return JobReport(summary, needs_attention=bool(self.failed))


def receive_event(*, provider_name: str, request: DeliveredRequest, as_of: datetime) -> bool:
    """Store a provider's delivery, committed when this returns; return whether there is something to process.

    A known event is only counted; if its content differs and the provider's never does, it is kept aside as a failed
    event of its own, for staff to compare. Raises `NotFoundError` for an unknown address, `DeliverySignatureError`, and
    `MalformedBodyError` if the signed body is not an event; then nothing is stored.
    """
    provider = provider_named(provider_name)
    if provider is None:
        raise NotFoundError
    event = provider.read_delivery(request, as_of=as_of)
    is_ignored = bool(event.ignored_because)
    row = {
        "provider": provider.name,
        "event_id": event.event_id,
        "type": event.type,
        "payload": json.dumps(event.payload, allow_nan=False),
        "status": InboxStatus.IGNORED if is_ignored else InboxStatus.PENDING,
        "outcome": event.ignored_because,
        "error": "",
        "next_attempt_at": None if is_ignored else as_of,
        "processed_at": as_of if is_ignored else None,
        "as_of": as_of,
    }
    [(deliveries, status, is_alike)] = fetch_all(STORE, row)
    if event.is_always_alike and not is_alike:
        _keep_aside(row)
    return bool(deliveries == 1 and status == InboxStatus.PENDING)


def _keep_aside(row: Mapping[str, object]) -> None:
    """Store a delivery that contradicts an earlier one, once for each content. No worker processes it."""
    digest = hashlib.sha256(str(row["payload"]).encode()).hexdigest()[:16]
    aside = {"event_id": f"{str(row['event_id'])[:230]}#{digest}", "status": InboxStatus.FAILED, "outcome": ""}
    fetch_all(STORE, {**row, **aside, "error": OTHER_CONTENT, "next_attempt_at": None, "processed_at": None})


def keep_fetched(*, provider: str, events: Sequence[InboundEvent], as_of: datetime) -> int:
    """Store events that were fetched from a provider and never arrived; return how many are new.

    One that a webhook brings later is the same event.
    """
    known = InboxEvent.objects.filter(provider=provider, event_id__in=[event.event_id for event in events])
    there = set(known.values_list("event_id", flat=True))
    fresh = [event for event in events if event.event_id not in there]
    InboxEvent.objects.bulk_create(
        (
            InboxEvent(
                provider=provider,
                event_id=event.event_id,
                type=event.type,
                payload=event.payload,
                deliveries=0,
                received_at=as_of,
                next_attempt_at=as_of,
            )
            for event in fresh
        ),
        ignore_conflicts=True,
    )
    return len(fresh)


def process_inbox(*, as_of: datetime, limit: int = BATCH, run: InboxRun | None = None) -> InboxRun:
    """Process the events that are due, each once.

    Safe to run twice and at once. The run lists the tenants with changes.
    """
    run = InboxRun() if run is None else run
    for _ in range(limit):
        event = _claim(as_of)
        if event is None:
            break
        _process(event, run, as_of)
    return run


def run_inbox(*, started_by: str, as_of: datetime) -> tuple[str, InboxRun]:
    """Process due events, recorded as a run of the job; return the job's outcome as well."""
    run = InboxRun()

    def work() -> JobReport:
        process_inbox(as_of=as_of, run=run)
        return run.report()

    job = run_job(name=INBOX_JOB, started_by=started_by, as_of=as_of, work=work)
    return str(job.outcome), run


def reprocess(*, inbox_event_id: int, actor: Actor, as_of: datetime) -> InboxEvent:
    """Process an event again, whatever its status, and return it: the provider's current state is applied.

    Raises `NotFoundError`, and `ConflictError` if a worker has just claimed it.
    """
    with transaction.atomic():
        event = InboxEvent.objects.select_for_update().filter(pk=inbox_event_id).first()
        if event is None:
            raise NotFoundError("There is no such event.")
        is_claimed = bool(event.attempts and event.next_attempt_at and event.next_attempt_at > as_of)
        if event.status == InboxStatus.PENDING and is_claimed:
            raise ConflictError("A worker is processing this event now.")
        record_audit(
            actor=actor,
            action="inbox_event.reprocessed",
            tenant_id=None,
            target=AuditTarget("inbox_event", event.pk, event.event_id),
            before={"type": event.type, "status": event.status, "outcome": event.outcome},
            as_of=as_of,
        )
        InboxEvent.objects.filter(pk=inbox_event_id).update(
            status=InboxStatus.PENDING, processed_at=None, attempts=1, error="", next_attempt_at=as_of + CLAIMED_FOR
        )
    event.refresh_from_db()
    run = InboxRun()
    _process(event, run, as_of)
    event.refresh_from_db()
    return event


def _claim(as_of: datetime) -> InboxEvent | None:
    """Claim the event that has waited longest; other workers skip it until the claim is over."""
    while True:
        with transaction.atomic():
            event = (
                InboxEvent.objects.select_for_update(skip_locked=True)
                .filter(Q(status__in=_WAITING), next_attempt_at__lte=as_of)
                .order_by("next_attempt_at", "received_at", "pk")
                .first()
            )
            if event is None:
                return None
            row = InboxEvent.objects.filter(pk=event.pk)
            if event.attempts < ATTEMPTS_MAX:
                row.update(attempts=F("attempts") + 1, next_attempt_at=as_of + CLAIMED_FOR)
                event.attempts += 1
                return event
            # Each worker that claimed it died.
            error = event.error or "No worker finished it."
            row.update(status=InboxStatus.FAILED, next_attempt_at=None, error=error)


def _process(event: InboxEvent, run: InboxRun, as_of: datetime) -> None:
    """Fetch the provider's state, then apply it and mark the event in one transaction.

    Expected errors are stored with the event; an unexpected one ends the run.
    """
    try:
        for _ in range(ASKED_AGAIN_MAX):
            answer = _fetch_answer(event)
            try:
                _finish(event, answer, run, as_of)
            except StateMovedError:
                continue
            return
        raise ConflictError("The provider's state changed faster than it could be applied.")
    except (ProblemError, IntegrityError) as error:
        _put_off(event, f"{type(error).__name__}: {error}", run, as_of)


def _fetch_answer(event: InboxEvent) -> ProviderAnswer | IgnoredEvent:
    provider = provider_named(event.provider)
    if provider is None:
        raise PaymentProviderError(f"The provider {event.provider} no longer exists.")
    return fetch_answer(provider=provider, event=InboundEvent(event.event_id, event.type, event.payload))


def _finish(event: InboxEvent, answer: ProviderAnswer | IgnoredEvent, run: InboxRun, as_of: datetime) -> None:
    with transaction.atomic():
        locked = InboxEvent.objects.select_for_update().get(pk=event.pk)
        if locked.status not in _WAITING:
            return  # by another worker, after the claim was over
        if isinstance(answer, IgnoredEvent):
            status, outcome = InboxStatus.IGNORED, answer.reason
        else:
            status, outcome = InboxStatus.PROCESSED, apply_answer(answer=answer, as_of=as_of)
        InboxEvent.objects.filter(pk=event.pk).update(
            status=status,
            outcome=outcome[:OUTCOME_CHARACTERS_MAX],
            error="",
            processed_at=as_of,
            next_attempt_at=None,
        )
    if isinstance(answer, IgnoredEvent):
        run.ignored += 1
    else:
        run.processed += 1
        run.tenant_ids.add(answer.customer.tenant_id)


def _put_off(event: InboxEvent, error: str, run: InboxRun, as_of: datetime) -> None:
    """Schedule another attempt, each after twice the pause; after the last attempt staff must start it."""
    error = mask_secrets(error)
    pause = min(FIRST_PAUSE * 2 ** (event.attempts - 1), PAUSE_MAX)
    again_at = as_of + pause if event.attempts < ATTEMPTS_MAX else None
    InboxEvent.objects.filter(pk=event.pk, status__in=_WAITING).update(
        status=InboxStatus.FAILED, error=error[:2000], next_attempt_at=again_at
    )
    run.failed.append(f"{event.type} {event.event_id}: {error[:200]}")
