"""Two questions of the demo's customer about lines of its invoices: one is open, the other was accepted."""

from datetime import datetime, timedelta
from typing import Final

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import Membership
from billing.desk.domain.line_questions import EventName
from billing.desk.models import LineQuestion
from billing.desk.services.answering import accept_question
from billing.desk.services.line_questions import open_question
from billing.domain.invoicing.lines import USAGE
from billing.domain.statuses import InvoiceStatus
from billing.models import CreditTarget, Invoice, InvoiceLine
from config.workbench.demo.cast import MAIN_TENANT

ACCEPTED_MINOR: Final = 120  # without tax
NO_EVENTS: Final[tuple[EventName, ...]] = ()


def add_questions(*, actor: Actor, as_of: datetime) -> None:
    """Create a question about each of the two newest paid invoices, once: staff (`actor`) accept the older one."""
    owner = Membership.objects.filter(tenant__slug=MAIN_TENANT, role=Role.OWNER).select_related("user").first()
    if owner is None or LineQuestion.objects.filter(tenant_id=owner.tenant_id).exists():
        return
    customer = Actor.member(user_id=owner.user_id, label=owner.user.email, role=Role.OWNER)
    paid = Invoice.objects.filter(tenant=owner.tenant_id, status=InvoiceStatus.PAID, boundary__isnull=False)
    lines = [line for invoice in paid.order_by("-boundary")[:2] if (line := _line_to_ask_about(invoice)) is not None]
    reasons = (
        "Our gateway retried requests on the 12th. Were they counted twice?",
        "The test run of our new region was not meant for this account.",
    )
    for days, line, reason in zip((1, 9), lines, reasons, strict=False):
        asked_at = as_of - timedelta(days=days)
        question = open_question(
            invoice_id=line.invoice_id,
            position=line.position,
            reason=reason,
            events=NO_EVENTS,
            actor=customer,
            as_of=asked_at,
        )
        if line is lines[-1] and len(lines) > 1:
            accept_question(
                question_id=question.pk,
                answer="You are right. We credit the run.",
                goes_to=CreditTarget.BALANCE,
                actor=actor,
                as_of=asked_at + timedelta(days=1),
                amount_minor=min(ACCEPTED_MINOR, line.amount_minor),
            )


def _line_to_ask_about(invoice: Invoice) -> InvoiceLine | None:
    """Return the largest line of usage of an invoice; None without one."""
    lines = InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision, kind=USAGE, amount_minor__gt=0)
    found: InvoiceLine | None = lines.order_by("-amount_minor", "position").first()
    return found
