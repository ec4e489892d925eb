"""Asking about a line of an invoice, and taking the question back. For members who manage billing."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.domain.roles import Capability
from accounts.errors import ConflictError, InvalidFieldsError
from billing.desk.domain.line_questions import EVENTS_MAX
from billing.desk.selectors.line_questions import question_of_tenant
from billing.desk.services.line_questions import open_question, withdraw_question
from billing.selectors.invoicing.invoices import issued_invoice
from billing.selectors.invoicing.line_events import line_at
from portal.access import Portal, SignedInRequest, tenant_page
from portal.confirmation import Confirmation, confirmation_page
from portal.forms.line_questions import LineQuestionForm
from portal.forms.problems import show_problem
from portal.views.invoices import POSITION_MAX


@tenant_page("invoices", Capability.MANAGE_BILLING, methods=("GET", "HEAD", "POST"))
def line_ask(request: SignedInRequest, portal: Portal, number: str, position: int) -> HttpResponse:
    """Render the form, with the events that the list of a line's events was left with; after a POST, store it."""
    invoice = issued_invoice(tenant_id=portal.tenant.pk, number=number)
    line = line_at(invoice=invoice, position=min(position, POSITION_MAX))
    chosen = "\n".join(request.GET.getlist("event")[:EVENTS_MAX])
    form = LineQuestionForm(request.POST if request.method == "POST" else None, initial={"events": chosen})
    if form.is_valid():
        try:
            open_question(
                invoice_id=invoice.pk,
                position=line.position,
                reason=form.cleaned_data["reason"],
                events=form.cleaned_data["events"],
                actor=portal.actor,
                as_of=portal.as_of,
            )
        except InvalidFieldsError as error:
            show_problem(form, error)
        except ConflictError as error:
            messages.warning(request, error.detail)
            return redirect("portal:invoice", portal.tenant.slug, number)
        else:
            messages.success(request, "Thank you. The answer appears beside the line, and we will e-mail it to you.")
            return redirect("portal:invoice", portal.tenant.slug, number)
    context = {"portal": portal, "invoice": invoice, "line": line, "form": form}
    return render(request, "portal/line_ask.html", context, status=422 if form.errors else 200)


@tenant_page("invoices", Capability.MANAGE_BILLING, methods=("GET", "HEAD", "POST"))
def question_withdraw(request: SignedInRequest, portal: Portal, question_id: UUID) -> HttpResponse:
    """Confirm first, then take an open question back."""
    question = question_of_tenant(tenant_id=portal.tenant.pk, question_id=question_id)
    back = reverse("portal:invoice", args=[portal.tenant.slug, question.invoice.number])
    if request.method == "POST":
        try:
            withdraw_question(
                question_id=question.pk, tenant_id=portal.tenant.pk, actor=portal.actor, as_of=portal.as_of
            )
        except ConflictError as error:
            messages.warning(request, error.detail)
        else:
            messages.success(request, "Your question is withdrawn.")
        return redirect(back)
    confirmation = Confirmation(
        title="Withdraw your question?",
        text=f"{question} gets no answer then. You may ask again.",
        label="Withdraw question",
        back=back,
    )
    return confirmation_page(request, portal, confirmation)
