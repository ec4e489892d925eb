"""Asking about a line of an invoice, and taking the question back: what a customer does."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.errors import FieldError, InvalidFieldsError, NotFoundError
from accounts.services.audit import AuditTarget, record_audit
from billing.desk.domain.line_questions import (
    EVENTS_MAX,
    ID_CHARACTERS_MAX,
    QUESTION_TRANSITIONS,
    REASON_CHARACTERS_MAX,
    EventName,
    QuestionStatus,
    stored_names,
)
from billing.desk.errors import LineQuestionError
from billing.desk.models import LineQuestion
from billing.domain.statuses import InvoiceStatus, statuses_before
from billing.models import InvoiceLine
from billing.selectors.invoicing.line_events import line_at
from billing.services.invoicing.status import locked_invoice
from metering.selectors.catalog import meter_rules
from metering.selectors.events import StoredEvent, events_by_name
from metering.selectors.ledgers import half_of


def open_question(
    *, invoice_id: UUID, position: int, reason: str, events: Sequence[EventName], actor: Actor, as_of: datetime
) -> LineQuestion:
    """Store a customer's question about a line and the events that it means. The same one twice is one question.

    Raises `NotFoundError`, `InvalidFieldsError`, and `LineQuestionError` if another one about the line is open or the
    invoice is void.
    """
    assert actor.user_id is not None, "a member asks"
    reason = checked_text(reason, "/reason")
    with transaction.atomic():
        invoice = locked_invoice(invoice_id)
        line = line_at(invoice=invoice, position=position)
        if invoice.status in {InvoiceStatus.DRAFT, InvoiceStatus.VOID}:
            raise LineQuestionError(f"The invoice is {invoice.status}: nothing of it is owed.")
        _check_events(line, events)
        is_open = LineQuestion.objects.filter(invoice=invoice, position=position, status=QuestionStatus.OPEN)
        if (known := is_open.first()) is not None:
            if (known.reason, known.events, known.asker_id) == (reason, stored_names(events), actor.user_id):
                return known
            raise LineQuestionError("A question about this line waits for an answer already.")
        question = LineQuestion.objects.create(
            id=uuid7(as_of),
            tenant_id=invoice.tenant_id,
            invoice=invoice,
            position=position,
            description=line.description[:300],
            reason=reason,
            events=stored_names(events),
            asker_id=actor.user_id,
            asked_at=as_of,
        )
        record_question(question, "asked", {"reason": reason, "events": len(events)}, actor=actor, as_of=as_of)
    return question


def withdraw_question(*, question_id: UUID, tenant_id: UUID, actor: Actor, as_of: datetime) -> LineQuestion:
    """Take an open question back, as any member who manages billing may.

    Raises `NotFoundError`, also for another tenant's question, and `LineQuestionError`.
    """
    with transaction.atomic():
        question = locked_question(question_id)
        if question.tenant_id != tenant_id:
            raise NotFoundError("There is no such question.")
        close_question(question, QuestionStatus.WITHDRAWN, actor=actor, as_of=as_of)
    return question


def locked_question(question_id: UUID) -> LineQuestion:
    """Return an open question, locked after its invoice. Raises `NotFoundError`, `LineQuestionError`."""
    seen = LineQuestion.objects.filter(pk=question_id).first()
    if seen is None:
        raise NotFoundError("There is no such question.")
    locked_invoice(seen.invoice_id)
    rows = LineQuestion.objects.select_for_update(no_key=True, of=("self",)).select_related("tenant", "invoice")
    question: LineQuestion = rows.get(pk=question_id)
    if question.status != QuestionStatus.OPEN:
        raise LineQuestionError(f"The question is {question.status} already.")
    return question


def close_question(
    question: LineQuestion, status: QuestionStatus, *, actor: Actor, as_of: datetime, answer: str = "", **done: object
) -> None:
    """Close a locked question by compare-and-set; `done` are columns of what was done for it."""
    assert connection.in_atomic_block, "the question is locked"
    if actor.user_id is None:
        raise LineQuestionError("Only a person decides about a question.")
    changes = {"decider_id": actor.user_id, "decided_at": as_of, "answer": answer, **done}
    before = statuses_before(QUESTION_TRANSITIONS, status)
    moved = LineQuestion.objects.filter(pk=question.pk, status__in=before).update(status=status, **changes)
    assert moved == 1, "the question is locked"
    question.refresh_from_db()
    after = {"answer": answer, "events_voided": question.events_voided} if answer else {}
    record_question(question, status, after, actor=actor, as_of=as_of)


def record_question(
    question: LineQuestion, action: str, after: dict[str, object], *, actor: Actor, as_of: datetime
) -> None:
    """Add the audit entry of a question."""
    record_audit(
        actor=actor,
        action=f"line_question.{action}",
        tenant_id=question.tenant_id,
        target=AuditTarget("line_question", question.pk, str(question)),
        after=after,
        as_of=as_of,
    )


def checked_text(text: str, pointer: str) -> str:
    """Return a reason or an answer as it is stored: at most 1,000 characters, lines kept. Raises otherwise."""
    text = "\n".join(line.strip() for line in text.strip().splitlines())
    if not text:
        raise _refusal(pointer, "blank", "This may not be empty.")
    if len(text) > REASON_CHARACTERS_MAX:
        raise _refusal(pointer, "too_long", f"At most {REASON_CHARACTERS_MAX} characters.")
    if not all(character.isprintable() or character == "\n" for character in text):
        raise _refusal(pointer, "invalid_characters", "No control characters.")
    return text


def _check_events(line: InvoiceLine, events: Sequence[EventName]) -> None:
    """Refuse events that the line does not count."""
    if not events:
        return
    if line.meter_id is None:
        raise _refusal("/events", "no_events", "This line counts no events.")
    if len(events) > EVENTS_MAX:
        raise _refusal("/events", "too_many", f"At most {EVENTS_MAX} events.")
    if not all(name.is_possible for name in events):
        raise _refusal("/events", "too_long", f"An id has at most {ID_CHARACTERS_MAX} characters.")
    ledger = half_of(line.invoice.tenant, is_live=True)
    stored = events_by_name(ledger=ledger, names=[(name.id, name.source) for name in events])
    event_type = next(rule.event_type for rule in meter_rules() if rule.id == line.meter_id)
    for name in events:
        event = stored.get((name.id, name.source))
        if event is None or not _is_counted(event, line, event_type):
            raise _refusal("/events", "not_counted", f"This line counts no event {name.id[:80]}.")


def _is_counted(event: StoredEvent, line: InvoiceLine, event_type: str) -> bool:
    is_in_period = line.period_start <= event.occurred_at < line.period_end
    is_known = event.received_at <= line.invoice.computed_at
    return event.type == event_type and is_in_period and is_known and event.void is None


def _refusal(pointer: str, code: str, detail: str) -> InvalidFieldsError:
    return InvalidFieldsError(detail, field_errors=(FieldError(pointer, code, detail),))
