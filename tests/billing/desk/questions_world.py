"""A customer with an invoice of 10 calls at 1.00, who asks about some of them, and staff."""

from dataclasses import dataclass
from decimal import Decimal

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import Membership, User
from billing.desk.domain.line_questions import EventName
from billing.desk.models import LineQuestion
from billing.desk.services.line_questions import open_question
from billing.domain.prices import PerUnit
from billing.models import Invoice, InvoiceLine, Subscription
from tests.billing.desk.colleagues import MAY
from tests.billing.world import MARCH, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import LONG_AGO, make_meter


@dataclass(frozen=True)
class Asking:
    """Who asks, about which line, and the ids of the line's events."""

    subscription: Subscription
    invoice: Invoice
    line: InvoiceLine
    ids: list[str]
    member: Actor

    def ask(self, count: int = 3, *, reason: str = "Sent twice.") -> LineQuestion:
        return open_question(
            invoice_id=self.invoice.pk,
            position=self.line.position,
            reason=reason,
            events=[EventName(id_) for id_ in self.ids[:count]],
            actor=self.member,
            as_of=MAY,
        )


def make_asking(slug: str = "acme") -> Asking:
    """Invoice March: ten calls of 1.00 each."""
    make_meter("calls", "http_request", unit="calls", aggregation="sum")
    plan = make_plan(usage={"calls": PerUnit(Decimal(1))})
    subscription = subscribe_tenant(slug, plan=plan)
    first_invoice(subscription)
    ids = use(subscription.tenant, at=MARCH, count=10)
    invoice = close_month(subscription)
    user = User.objects.create_user(f"dana@{slug}.example", None)
    Membership.objects.create(tenant=subscription.tenant, user=user, role=Role.OWNER, created_at=LONG_AGO)
    line = InvoiceLine.objects.get(invoice=invoice, revision=invoice.revision, meter__code="calls")
    member = Actor.member(user_id=user.pk, label=user.email, role=Role.OWNER)
    return Asking(subscription, invoice, line, list(ids), member)
