"""Questions of customers about lines of their invoices: the oldest open one first, decided here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Case, F, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import Question, found_or_404, holds, staff_actor
from accounts.admin.by_state import posted
from billing.admin.base import MoneyAdmin
from billing.desk.domain.line_questions import REASON_CHARACTERS_MAX, QuestionStatus, names_of_stored
from billing.desk.models import LineQuestion
from billing.desk.services.answering import accept_question, explain_line, reject_question
from billing.domain.money import money_text, round_to_minor, to_major
from billing.models import CreditTarget

STATE_LABELS = {
    "Open": "warning",
    "Accepted": "success",
    "Answered": "info",
    "Rejected": "danger",
    "Withdrawn": "info",
}


class AnswerForm(forms.Form):
    """The answer, as the customer reads it."""

    answer = forms.CharField(
        max_length=REASON_CHARACTERS_MAX,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
        help_text="The customer reads it beside the line and in a mail.",
    )


class AcceptQuestionForm(AnswerForm):
    """The answer, what is credited, and the use of money that was paid."""

    goes_to = forms.ChoiceField(
        label="What was paid of it",
        choices=CreditTarget.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="The amount due is reduced first.",
    )

    def __init__(self, data: Any, question: LineQuestion) -> None:
        super().__init__(data)
        self.currency = question.invoice.currency
        self.fields["amount"] = forms.DecimalField(
            label=f"Credit without tax ({self.currency})",
            required=not question.events,
            max_digits=20,
            min_value=Decimal(0),
            widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
            help_text="Empty: what the named events come to." if question.events else "",
        )
        self.order_fields(["answer", "amount", "goes_to"])
        self.fields["answer"].help_text = "The customer reads it; the first line is printed on the credit note."

    def clean_amount(self) -> Decimal | None:
        """Refuse more digits than the currency has."""
        amount: Decimal | None = self.cleaned_data["amount"]
        if amount is not None and to_major(round_to_minor(amount, self.currency), self.currency) != amount:
            raise forms.ValidationError("More digits than the currency has.")
        return amount


@dataclass(frozen=True, slots=True)
class _Reply:
    """An act that changes no money: its service, the name of the action, its button, and what it does."""

    service: Callable[..., LineQuestion]
    name: str
    verb: str
    explanation: str


@admin.register(LineQuestion)
class LineQuestionAdmin(MoneyAdmin):
    """What customers ask about lines of their invoices."""

    list_display = ("asked", "tenant", "about", "reason", "state", "age")
    list_filter = (("status", ChoicesDropdownFilter),)
    list_filter_submit = True
    list_select_related = ("tenant", "invoice")
    search_fields = ("tenant__name", "tenant__slug", "invoice__number", "reason")
    ordering = (
        Case(When(status=QuestionStatus.OPEN, then=Value(0)), default=Value(1), output_field=IntegerField()),
        Case(When(status=QuestionStatus.OPEN, then=F("asked_at")), default=None),
        "-asked_at",
    )
    fields = (
        "tenant", "about", "description", "reason", "named_events", "state", "asker", "asked_at", "decider",
        "decided_at", "answer", "events_voided", "credit_note",
    )  # fmt: skip
    readonly_fields = ("about", "named_events", "state")
    actions_detail: ClassVar = ["accept", "explain_line", "reject"]
    has_decide_permission = holds("desk.change_linequestion")

    @display(description="Asked on", ordering="asked_at")
    def asked(self, question: LineQuestion) -> datetime:
        """Return when it was asked."""
        return question.asked_at

    @display(description="Line")
    def about(self, question: LineQuestion) -> SafeString:
        """Return a link to the invoice, with the position of the line."""
        url = reverse("admin:billing_invoice_change", args=[question.invoice_id])
        return format_html('<a href="{}">{}, line {}</a>', url, question.invoice, question.position)

    @display(description="Events", empty_value="-")
    def named_events(self, question: LineQuestion) -> SafeString | None:
        """Return the ids of the events that the customer means, one on each line."""
        names = names_of_stored(question.events)
        lines = ((f"{name.id} ({name.source})" if name.source else name.id,) for name in names)
        return format_html_join(mark_safe("<br>"), "{}", lines) or None

    @display(description="State", ordering="status", label=STATE_LABELS)
    def state(self, question: LineQuestion) -> str:
        """Return what was decided, or that it is open."""
        return str(question.get_status_display())

    @display(description="Waits", empty_value="")
    def age(self, question: LineQuestion) -> str | None:
        """Return for how many days an open question waits."""
        if question.status != QuestionStatus.OPEN:
            return None
        days = (timezone.now() - question.asked_at).days
        return "since today" if days == 0 else f"{days} day{'' if days == 1 else 's'}"

    def offered(self, obj: LineQuestion) -> frozenset[str]:
        """Return nothing once it is decided."""
        is_open = obj.status == QuestionStatus.OPEN
        return frozenset({"accept", "explain_line", "reject"} if is_open else ())

    @action(description="Accept", permissions=["decide"], icon="check_circle")
    def accept(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the question, and void the events and credit the line when confirmed."""
        question = self._found(object_id)
        form = AcceptQuestionForm(posted(request), question)

        def accept(given: dict[str, Any]) -> LineQuestion:
            amount = given["amount"]
            return accept_question(
                question_id=question.pk,
                answer=given["answer"],
                goes_to=CreditTarget(given["goes_to"]),
                actor=staff_actor(request),
                as_of=timezone.now(),
                amount_minor=None if amount is None else round_to_minor(amount, question.invoice.currency),
            )

        return self.decide(
            request,
            question,
            form,
            accept,
            name="accept",
            said=_said_of_accepted,
            question=Question(
                title=f"Accept: {question}?",
                explanation=f"{_said(question)} The events that it names become void, and a credit note is issued, in"
                " one act. It cannot be undone.",
                button="Accept",
            ),
        )

    @action(description="Answer", permissions=["decide"], icon="reply", url_path="answer")
    def explain_line(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the question, and answer it: nothing else changes."""
        explanation = "Nothing else changes. The customer may ask again."
        act = _Reply(explain_line, "explain_line", "Answer", explanation)
        return self._reply(request, object_id, act)

    @action(description="Reject", permissions=["decide"], icon="cancel")
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the question, and reject it with a reason."""
        return self._reply(request, object_id, _Reply(reject_question, "reject", "Reject", "The line stays as it is."))

    def _reply(self, request: HttpRequest, object_id: str, act: _Reply) -> HttpResponse:
        question = self._found(object_id)
        return self.decide(
            request,
            question,
            AnswerForm(posted(request)),
            lambda given: act.service(
                question_id=question.pk, answer=given["answer"], actor=staff_actor(request), as_of=timezone.now()
            ),
            name=act.name,
            said=lambda done: f"{done}: {done.status}. The customer gets a mail.",
            question=Question(
                title=f"{act.verb}: {question}?", explanation=f"{_said(question)} {act.explanation}", button=act.verb
            ),
        )

    def _found(self, object_id: str) -> LineQuestion:
        rows = LineQuestion.objects.select_related("tenant", "invoice", "asker")
        found: LineQuestion = found_or_404(rows, object_id)
        return found


def _said(question: LineQuestion) -> str:
    """Return the question in sentences, for the page that asks before an act."""
    events = len(question.events)
    named = f" It names {events} event{'' if events == 1 else 's'}." if events else ""
    return f"{question.asker} asks about “{question.description}”: {question.reason.rstrip('.')}.{named}"


def _said_of_accepted(question: LineQuestion) -> str:
    note = question.credit_note
    credited = "nothing is credited" if note is None else f"{note.number} credits {_total(note)}"
    return f"Accepted: {question.events_voided} events are void, {credited}. The customer gets a mail."


def _total(note: Any) -> str:
    return money_text(note.total_minor, note.currency)
