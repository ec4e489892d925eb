"""The inbox of Stripe's events: stored before they are answered, processed once by whichever worker comes first.

An event's row is its own queue. A worker claims it for some minutes, asks Stripe with no transaction open, then locks the row and applies
what Stripe said and marks the event in one transaction; if it dies anywhere before that commit, nothing has happened, and
another takes the event up when the claim is over.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.errors import ConflictError, MalformedBodyError, NotFoundError, ProblemError
from accounts.models import JobRun
from accounts.services.audit import record_audit
from accounts.services.jobs import run_job
from accounts.sql import fetch_all
from billing.collection.gateways.stripe.objects import read_event, storable
from billing.collection.gateways.stripe.signature import verify_signature
from billing.collection.selectors.work import endpoint_secret
from billing.collection.services.collecting import collect_due
from billing.collection.services.events import Answer, Ignored, StateMovedError, apply_answer, ask_about
from billing.errors import StripeObjectError
from billing.models import InboxStatus, StripeInboxEvent
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.running import run_invoicing

INBOX_JOB: Final = "stripe_inbox"
BATCH: Final = 200
CLAIMED_FOR: Final = timedelta(minutes=5)
FIRST_PAUSE: Final = timedelta(minutes=1)
PAUSE_MAX: Final = timedelta(hours=6)
ATTEMPTS_MAX: Final = 20  # about three days, as long as Stripe itself goes on
ASKED_AGAIN_MAX: Final = 5
OUTCOME_CHARACTERS_MAX: Final = 300
THIN_REASON: Final = "a thin event (v2): Stripe sends what we handle as snapshots"
_WAITING: Final = (InboxStatus.PENDING, InboxStatus.FAILED)

STORE = """
INSERT INTO billing_stripeinboxevent
    (id, type, payload, status, outcome, error, attempts, deliveries, received_at, next_attempt_at, processed_at)
VALUES (%(id)s, %(type)s, %(payload)s::jsonb, %(status)s, %(outcome)s, '', 0, 1, %(as_of)s, %(next_attempt_at)s, %(processed_at)s)
ON CONFLICT (id) DO UPDATE SET deliveries = billing_stripeinboxevent.deliveries + 1
RETURNING deliveries, status
"""


@dataclass(slots=True)
class InboxRun:
    """What a run did."""

    processed: int = 0
    ignored: int = 0
    failed: list[str] = field(default_factory=list)
    tenant_ids: set[UUID] = field(default_factory=set)

    def report(self) -> JobReport:
        """For the admin."""
        summary = {"processed": self.processed, "ignored": self.ignored, "failed": self.failed[:20]}
        return JobReport(summary, needs_attention=bool(self.failed))


def receive_event(*, endpoint_uuid: UUID, signature: str, body: bytes, as_of: datetime) -> bool:
    """Store what Stripe delivered, committed when this returns; answers whether there is something to process.

    An event that is known is only counted. Raises `NotFoundError` for an unknown endpoint, `StripeSignatureError`, and
    `MalformedBodyError` where what was signed is no event; then nothing is stored.
    """
    secret = endpoint_secret(endpoint_uuid)
    if secret is None:
        raise NotFoundError
    verify_signature(header=signature, body=body, secret=secret, as_of=as_of)
    try:
        payload = storable(json.loads(body))
        event = read_event(payload)
        text = json.dumps(payload, allow_nan=False)
    except (ValueError, RecursionError, StripeObjectError) as error:
        raise MalformedBodyError("The body is no event of Stripe's.") from error
    row = {
        "id": event.id,
        "type": event.type,
        "payload": text,
        "status": InboxStatus.IGNORED if event.is_thin else InboxStatus.PENDING,
        "outcome": THIN_REASON if event.is_thin else "",
        "next_attempt_at": None if event.is_thin else as_of,
        "processed_at": as_of if event.is_thin else None,
        "as_of": as_of,
    }
    [(deliveries, status)] = fetch_all(STORE, row)
    return bool(deliveries == 1 and status == InboxStatus.PENDING)


def process_inbox(*, as_of: datetime, limit: int = BATCH) -> InboxRun:
    """Process the events that are due, each once. Safe to run twice and at once. What follows from them is done at the end."""
    run = InboxRun()
    for _ in range(limit):
        event = _claim(as_of)
        if event is None:
            break
        _process(event, run, as_of)
    if run.tenant_ids:
        # Found by their state by the schedules, too: here so that nobody waits for the first invoice.
        run_invoicing(as_of=as_of, due=Due(tenant_ids=run.tenant_ids))
        collect_due(as_of=as_of, tenant_ids=run.tenant_ids)
    return run


def run_inbox(*, started_by: str, as_of: datetime) -> JobRun:
    """The same, recorded as a run of its job."""
    return run_job(name=INBOX_JOB, started_by=started_by, as_of=as_of, work=lambda: process_inbox(as_of=as_of).report())


def reprocess(*, event_id: str, actor: Actor, as_of: datetime) -> StripeInboxEvent:
    """Process an event once more, whatever became of it, and return it: what Stripe says now is applied.

    Raises `NotFoundError`, and `ConflictError` where a worker has just taken it.
    """
    with transaction.atomic():
        event = StripeInboxEvent.objects.select_for_update().filter(pk=event_id).first()
        if event is None:
            raise NotFoundError("There is no such event.")
        is_claimed = bool(event.attempts and event.next_attempt_at and event.next_attempt_at > as_of)
        if event.status == InboxStatus.PENDING and is_claimed:
            raise ConflictError("A worker is just processing it.")
        record_audit(
            actor=actor,
            action="stripe_event.reprocessed",
            tenant_id=None,
            target_kind="stripe_event",
            target_id=event.pk,
            target_label=event.type,
            before={"status": event.status, "outcome": event.outcome},
            as_of=as_of,
        )
        StripeInboxEvent.objects.filter(pk=event_id).update(
            status=InboxStatus.PENDING, processed_at=None, attempts=1, error="", next_attempt_at=as_of + CLAIMED_FOR
        )
    event.refresh_from_db()
    run = InboxRun()
    _process(event, run, as_of)
    event.refresh_from_db()
    return event


def _claim(as_of: datetime) -> StripeInboxEvent | None:
    """Take the event that waits longest; others pass it over until the claim is over."""
    while True:
        with transaction.atomic():
            event = (
                StripeInboxEvent.objects.select_for_update(skip_locked=True)
                .filter(Q(status__in=_WAITING), next_attempt_at__lte=as_of)
                .order_by("next_attempt_at", "received_at", "pk")
                .first()
            )
            if event is None:
                return None
            row = StripeInboxEvent.objects.filter(pk=event.pk)
            if event.attempts < ATTEMPTS_MAX:
                row.update(attempts=F("attempts") + 1, next_attempt_at=as_of + CLAIMED_FOR)
                event.attempts += 1
                return event
            # Its workers died of it, each in turn.
            error = event.error or "No worker came to its end."
            row.update(status=InboxStatus.FAILED, next_attempt_at=None, error=error)


def _process(event: StripeInboxEvent, run: InboxRun, as_of: datetime) -> None:
    """Ask, then apply and mark in one transaction. What may happen is kept with the event; a mistake of ours ends the run."""
    try:
        for _ in range(ASKED_AGAIN_MAX):
            answer = ask_about(read_event(event.payload))
            try:
                _finish(event, answer, run, as_of)
            except StateMovedError:
                continue
            return
        raise ConflictError("What Stripe says changed faster than it could be applied.")
    except (ProblemError, IntegrityError) as error:
        _put_off(event, f"{type(error).__name__}: {error}", run, as_of)


def _finish(event: StripeInboxEvent, answer: Answer | Ignored, run: InboxRun, as_of: datetime) -> None:
    with transaction.atomic():
        locked = StripeInboxEvent.objects.select_for_update().get(pk=event.pk)
        if locked.status not in _WAITING:
            return  # by another worker, after the claim was over
        if isinstance(answer, Ignored):
            status, outcome = InboxStatus.IGNORED, answer.reason
        else:
            status, outcome = InboxStatus.PROCESSED, apply_answer(answer, as_of)
        StripeInboxEvent.objects.filter(pk=event.pk).update(
            status=status,
            outcome=outcome[:OUTCOME_CHARACTERS_MAX],
            error="",
            processed_at=as_of,
            next_attempt_at=None,
        )
    if isinstance(answer, Ignored):
        run.ignored += 1
    else:
        run.processed += 1
        run.tenant_ids.add(answer.profile.tenant_id)


def _put_off(event: StripeInboxEvent, error: str, run: InboxRun, as_of: datetime) -> None:
    """Try again later, each time after twice the pause; after the last attempt a person has to ask for it."""
    pause = min(FIRST_PAUSE * 2 ** (event.attempts - 1), PAUSE_MAX)
    again_at = as_of + pause if event.attempts < ATTEMPTS_MAX else None
    StripeInboxEvent.objects.filter(pk=event.pk, status__in=_WAITING).update(
        status=InboxStatus.FAILED, error=error[:2000], next_attempt_at=again_at
    )
    run.failed.append(f"{event.type} {event.pk}: {error[:200]}")
