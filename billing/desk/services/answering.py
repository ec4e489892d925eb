"""What staff decide about a question on a line: accept it, answer it, or reject it. The customer is told by mail."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from accounts.domain.actor import Actor
from accounts.domain.roles import Capability, Role
from accounts.notices.domain.mails import MailKind
from accounts.notices.selectors.recipients import recipients_of
from accounts.notices.services.mails import NewMail, queue_mails
from billing.desk.domain.line_questions import QuestionStatus, names_of_stored
from billing.desk.errors import LineQuestionError
from billing.desk.models import LineQuestion
from billing.desk.selectors.line_questions import corrections_due
from billing.desk.services.line_questions import checked_text, close_question, locked_question
from billing.domain.money import money_text
from billing.models import CreditNote, CreditTarget, Issuer
from billing.selectors.invoicing.crediting import left_of
from billing.services.invoicing.crediting import credit_in_part
from billing.services.invoicing.status import lock_draft
from metering.selectors.ledgers import half_of
from metering.services.event_voids import void_counted_events

# Not a kind that members may turn off: they asked for it.
LINE_QUESTION: Final = MailKind(
    name="line_question",
    wish="wants_line_questions",
    capability=Capability.MANAGE_BILLING,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.BILLING}),
    goes_to_billing_email=True,
    title="Questions about invoices",
    page="invoices/",
    is_optional=False,
)
_OUTCOMES: Final[Mapping[str, str]] = {
    QuestionStatus.ACCEPTED: "We agree with you about {line} of invoice {number}",
    QuestionStatus.ANSWERED: "Our answer about {line} of invoice {number}",
    QuestionStatus.REJECTED: "We cannot agree with you about {line} of invoice {number}",
}


def accept_question(
    *,
    question_id: UUID,
    answer: str,
    goes_to: CreditTarget,
    actor: Actor,
    as_of: datetime,
    amount_minor: int | None = None,
) -> LineQuestion:
    """Void the events that the question names and credit the line, in one transaction.

    Without `amount_minor` (without tax), the credit is what the voided events come to: what the next invoice would give
    back of the line otherwise, so that it gives back nothing more. Raises `NotFoundError`, `LineQuestionError`,
    `InvalidFieldsError`, `InvoiceStatusError`, `EventsDeletedError`, `UnbillableError`; then nothing has changed.
    """
    answer = checked_text(answer, "/answer")
    with transaction.atomic():
        question = locked_question(question_id)
        lock_draft(question.invoice.subscription_id)
        before = _correction_due(question)
        voided = _void_events(question, actor, as_of)
        if amount_minor is None:
            amount_minor = _correction_due(question) - before
        if not voided and not amount_minor:
            raise LineQuestionError("It names no event that still counts. Give the amount that is credited.")
        note = None
        if amount_minor > 0:
            note = credit_in_part(
                invoice_id=question.invoice_id,
                goes_to=goes_to,
                reason=_first_line(answer),
                actor=actor,
                as_of=as_of,
                amounts={question.position: amount_minor},
            )
        done: dict[str, object] = {"events_voided": voided, "credit_note": note}
        close_question(question, QuestionStatus.ACCEPTED, actor=actor, as_of=as_of, answer=answer, **done)
        _queue_mail(question, note, as_of)
    return question


def explain_line(*, question_id: UUID, answer: str, actor: Actor, as_of: datetime) -> LineQuestion:
    """Explain the line; nothing else changes. Raises `NotFoundError`, `LineQuestionError`, `InvalidFieldsError`."""
    return _close(question_id, QuestionStatus.ANSWERED, answer, actor, as_of)


def reject_question(*, question_id: UUID, answer: str, actor: Actor, as_of: datetime) -> LineQuestion:
    """Refuse what is asked for, with the reason. Raises what `explain_line` does."""
    return _close(question_id, QuestionStatus.REJECTED, answer, actor, as_of)


def _close(question_id: UUID, status: QuestionStatus, answer: str, actor: Actor, as_of: datetime) -> LineQuestion:
    answer = checked_text(answer, "/answer")
    with transaction.atomic():
        question = locked_question(question_id)
        close_question(question, status, actor=actor, as_of=as_of, answer=answer)
        _queue_mail(question, None, as_of)
    return question


def _correction_due(question: LineQuestion) -> int:
    """Return what the next invoice would give back of the line as usage is now; 0 if the question names no events."""
    if not question.events:
        return 0
    invoice = question.invoice
    return corrections_due(invoice, left_of(invoice)).get(question.position, 0)


def _void_events(question: LineQuestion, actor: Actor, as_of: datetime) -> int:
    if not question.events:
        return 0
    return void_counted_events(
        ledger=half_of(question.tenant, is_live=True),
        names=[(name.id, name.source) for name in names_of_stored(question.events)],
        reason=f"Accepted: {question}",
        voided_by=actor.label,
        as_of=as_of,
    )


def _first_line(answer: str) -> str:
    """Return what fits on the credit note."""
    return answer.split("\n", 1)[0][:200]


def _queue_mail(question: LineQuestion, note: CreditNote | None, as_of: datetime) -> None:
    tenant, invoice = question.tenant, question.invoice
    url = f"{settings.PUBLIC_URL}/t/{tenant.slug}/invoices/{invoice.number}/"
    subject = _OUTCOMES[question.status].format(line=f"line {question.position}", number=invoice.number)
    context = {
        "subject": subject,
        "question": question,
        "note": note,
        "credited": "" if note is None else money_text(note.total_minor, note.currency),
        "issuer": Issuer.objects.get(pk=1).legal_name,
        "url": url,
    }
    mail = NewMail(
        tenant_id=tenant.pk,
        kind=LINE_QUESTION.name,
        dedupe_key=f"line_question:{question.pk}",
        recipients=recipients_of(tenant=tenant, kind=LINE_QUESTION),
        subject=subject,
        text=render_to_string("billing/email/line_question.txt", context),
        html=render_to_string("billing/email/line_question.html", context),
        page=f"invoices/{invoice.number}/",
    )
    queue_mails([mail], as_of=as_of)
