"""The demo's unpaid invoices: one that is being followed up, and one whose second charge went through."""

from datetime import datetime
from uuid import UUID

from accounts.models import Tenant
from billing.collection.domain.provider import ReportedPayment
from billing.dunning.domain.states import StepStatus
from billing.dunning.models import DunningStep
from billing.dunning.services.running import ChargeCall, run_step
from billing.models import Invoice
from billing.services.invoicing.payments import record_failed_payment, record_payment
from config.workbench.demo.fakes import payment_reference

NO_FUNDS = "Your card has insufficient funds."


def follow_up(*, tenant: Tenant, until: datetime, charge: ChargeCall) -> None:
    """Run a tenant's steps, each at its own moment, up to an instant."""
    while True:
        due = DunningStep.objects.filter(case__tenant=tenant, status=StepStatus.PLANNED, due_at__lte=until)
        step = due.order_by("due_at", "position").first()
        if step is None or not run_step(step_id=step.pk, as_of=step.due_at, charge=charge):
            return


def decline(invoice: Invoice, *, provider: str, at: datetime, attempt: str = "1") -> ReportedPayment:
    """Record that the card was declined for want of funds, and return the attempt."""
    told = ReportedPayment(
        f"demo-{invoice.number}-{attempt}", invoice.amount_due_minor, invoice.currency, at, error=NO_FUNDS
    )
    record_failed_payment(
        invoice_id=invoice.pk,
        provider=provider,
        reference=told.reference,
        amount_minor=told.amount_minor,
        currency=told.currency,
        error=told.error,
        occurred_at=at,
        as_of=at,
    )
    return told


def declining(provider: str) -> ChargeCall:
    """Return a way to charge a card that is declined each time."""

    def charge(*, invoice_id: UUID, attempt: str, as_of: datetime) -> ReportedPayment:
        return decline(Invoice.objects.get(pk=invoice_id), provider=provider, at=as_of, attempt=attempt)

    return charge


def succeeding(provider: str) -> ChargeCall:
    """Return a way to charge a card that works."""

    def charge(*, invoice_id: UUID, attempt: str, as_of: datetime) -> ReportedPayment:  # noqa: ARG001 - the protocol's
        invoice = Invoice.objects.get(pk=invoice_id)
        told = ReportedPayment(payment_reference(provider, invoice), invoice.amount_due_minor, invoice.currency, as_of)
        record_payment(
            invoice_id=invoice.pk,
            provider=provider,
            reference=told.reference,
            amount_minor=told.amount_minor,
            currency=told.currency,
            occurred_at=as_of,
            as_of=as_of,
        )
        return told

    return charge
