"""Stored rows as the values that the API and webhooks show."""

from uuid import UUID

from billing.domain.happenings import CreditNoteFacts, InvoiceFacts, PaymentFacts, PlanName, SubscriptionFacts
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.statuses import InvoiceStatus, SubscriptionStatus
from billing.models import CreditNote, Invoice, Payment, PlanVersion, Subscription
from metering.domain.periods import Span


def facts_of_subscription(subscription: Subscription) -> SubscriptionFacts:
    """Return a subscription by its row, which comes with its plans."""
    pending = subscription.pending_plan_version
    return SubscriptionFacts(
        id=subscription.pk,
        tenant_id=subscription.tenant_id,
        version=subscription.version,
        status=subscription.status,
        plan=plan_name_of(subscription.plan_version),
        currency=subscription.currency,
        time_zone=subscription.time_zone,
        started_at=subscription.started_at,
        anchor_at=subscription.anchor_at,
        is_trial=subscription.status == SubscriptionStatus.TRIALING,
        period=Span(subscription.period_start, subscription.period_end),
        pending_plan=None if pending is None else plan_name_of(pending),
        is_cancelled_at_period_end=subscription.is_cancelled_at_period_end,
        ended_at=subscription.ended_at,
    )


def plan_name_of(version: PlanVersion) -> PlanName:
    """Return what a stored version, which comes with its plan, is called."""
    return PlanName(code=version.plan.code, name=version.plan.name, version=version.number)


def facts_of_invoice(invoice: Invoice) -> InvoiceFacts:
    """Return an invoice by its row; that of an issued one comes with its credit note and its replacement."""
    note = getattr(invoice, "credit_note", None) if invoice.number else None
    replacement = getattr(invoice, "replaced_by", None) if invoice.number else None
    return InvoiceFacts(
        id=invoice.pk,
        tenant_id=invoice.tenant_id,
        number=invoice.number,
        status=invoice.status,
        subscription=invoice.subscription_id,
        currency=invoice.currency,
        period=Span(invoice.period_start, invoice.period_end),
        subtotal_minor=invoice.subtotal_minor,
        tax_minor=invoice.tax_minor,
        carried_minor=invoice.carried_minor,
        total_minor=invoice.total_minor,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        finalized_at=invoice.finalized_at,
        paid_at=invoice.paid_at,
        voided_at=invoice.voided_at,
        void_reason=invoice.void_reason,
        payment_failed_at=invoice.payment_failed_at,
        payment_error=invoice.payment_error,
        credit_note=None if note is None else note.number,
        amount_paid_minor=invoice.amount_paid_minor,
        amount_due_minor=invoice.amount_due_minor,
        replaces=None if invoice.replaces is None else invoice.replaces.number,
        replaced_by=None if replacement is None else replacement.number,
        merchant_of_record=invoice.merchant_of_record,
    )


def facts_of_draft(invoice_id: UUID, computed: ComputedInvoice) -> InvoiceFacts:
    """Return an invoice as it is when it was drafted."""
    state = computed.state
    assert state.subscription_id is not None, "a preview is not stored"
    return InvoiceFacts(
        id=invoice_id,
        tenant_id=state.tenant_id,
        number=None,
        status=InvoiceStatus.DRAFT.value,
        subscription=state.subscription_id,
        currency=state.currency,
        period=state.covered,
        subtotal_minor=computed.subtotal_minor,
        tax_minor=computed.tax_minor,
        carried_minor=computed.carried_minor,
        total_minor=computed.total_minor,
        issued_on=None,
        due_on=None,
        finalized_at=None,
        paid_at=None,
        voided_at=None,
        void_reason="",
        payment_failed_at=None,
        payment_error="",
        credit_note=None,
        amount_due_minor=computed.total_minor,
    )


def facts_of_payment(payment: Payment) -> PaymentFacts:
    """Return an attempt to pay by its row; one that comes with what it pays of an invoice says so."""
    return PaymentFacts(
        provider=payment.provider,
        reference=payment.reference,
        status=payment.status,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        error=payment.error,
        occurred_at=payment.occurred_at,
        pays_minor=getattr(payment, "pays_minor", 0),
    )


def facts_of_credit_note(note: CreditNote) -> CreditNoteFacts:
    """Return a credit note by its row, which comes with its invoice."""
    number = note.of_invoice.number
    assert number is not None, "what is taken back was issued"
    return CreditNoteFacts(
        id=note.pk,
        tenant_id=note.tenant_id,
        number=note.number,
        invoice=number,
        is_whole=note.invoice_id is not None,
        goes_to=note.goes_to or None,
        currency=note.currency,
        subtotal_minor=note.subtotal_minor,
        tax_minor=note.tax_minor,
        carried_minor=note.carried_minor,
        total_minor=note.total_minor,
        reason=note.reason,
        issued_on=note.issued_on,
        issued_at=note.issued_at,
    )
