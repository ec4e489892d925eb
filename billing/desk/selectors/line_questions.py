"""Questions about lines, for the invoice's page and for staff; and what voided events of a line come to."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Min

from accounts.errors import NotFoundError
from billing.desk.domain.line_questions import QuestionStatus
from billing.desk.models import LineQuestion
from billing.domain.statuses import LIVE_STATUSES
from billing.models import Invoice
from billing.selectors.invoicing.crediting import Left
from billing.selectors.invoicing.preview import preview_next_invoice


def questions_by_line(invoice: Invoice) -> dict[int, list[LineQuestion]]:
    """Return the questions about an invoice by the position of their line, the oldest first."""
    found: dict[int, list[LineQuestion]] = defaultdict(list)
    questions = LineQuestion.objects.filter(invoice=invoice).select_related("credit_note", "asker")
    for question in questions.order_by("asked_at", "pk"):
        found[question.position].append(question)
    return dict(found)


def invoices_in_question(invoice_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the invoices that have a question which waits for an answer."""
    waiting = LineQuestion.objects.filter(invoice__in=invoice_ids, status=QuestionStatus.OPEN)
    return set(waiting.order_by().values_list("invoice", flat=True))


def corrections_due(invoice: Invoice, left: Left) -> dict[int, int]:
    """Return by position what the next invoice would give back of the lines as usage is now, without tax.

    Nothing without a running subscription, which has no next invoice. Raises `UnbillableError`.
    """
    subscription = invoice.subscription
    if subscription.status not in LIVE_STATUSES:
        return {}
    given: dict[int, int] = defaultdict(int)
    for line in preview_next_invoice(subscription=subscription).lines:
        if line.adjusts_id is not None:
            given[line.adjusts_id] -= line.amount_minor
    return {line.position: given[line.root_id] for line in left.lines if given.get(line.root_id)}


def question_of_tenant(*, tenant_id: UUID, question_id: UUID) -> LineQuestion:
    """Return one question. Raises `NotFoundError`, also for another tenant's."""
    questions = LineQuestion.objects.filter(tenant=tenant_id).select_related("invoice")
    question = questions.filter(pk=question_id).first()
    if question is None:
        raise NotFoundError("There is no such question.")
    return question


def open_questions(as_of: datetime) -> str:
    """Return in words how many questions wait for an answer and for how long; empty if none does."""
    waiting = LineQuestion.objects.filter(status=QuestionStatus.OPEN).aggregate(Count("pk"), Min("asked_at"))
    if not waiting["pk__count"]:
        return ""
    days = (as_of - waiting["asked_at__min"]).days
    return f"{waiting['pk__count']} wait for an answer, the oldest for {days} day{'' if days == 1 else 's'}"
