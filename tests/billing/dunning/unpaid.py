"""A small world for tests of dunning: invoices that are overdue or whose card was declined, and what follows."""

from datetime import date, datetime, timedelta
from typing import Any, Final

from accounts.notices.models import OutboundMail
from billing.collection.domain.provider import ReportedPayment
from billing.collection.errors import PaymentProviderError
from billing.collection.models import ProviderInvoice
from billing.collection.services.customers import ensure_customer, keep_card_of_customer
from billing.dunning.models import DunningCase, DunningSchedule
from billing.dunning.services.running import run_due_steps
from billing.models import Invoice, Subscription
from billing.services.invoicing.payments import Declined, record_failed_payment, record_manual_payment
from billing.services.subscriptions.standing import refresh_overdue
from tests.billing.collection.second.provider import CARD
from tests.billing.dunning.scripted.provider import ScriptedProvider
from tests.billing.world import MARCH, STAFF, first_invoice, subscribe_tenant

FAILED_AT: Final = MARCH + timedelta(hours=2)
OVERDUE_AT: Final = MARCH + timedelta(days=15, minutes=50)  # the first hour after the due date
DAY: Final = timedelta(days=1)
STOLEN: Final = ReportedPayment("", 4900, "EUR", None, error="Stolen.", decline_code="stolen_card", is_final=True)
PAID: Final = ReportedPayment("", 4900, "EUR", None)


AWAY: Final = PaymentProviderError("No answer.")


def overdue(slug: str = "acme", **fields: Any) -> Invoice:
    """Return an invoice over 49.00 EUR that is to be paid by transfer, and is overdue since 16 March 2026."""
    invoice = first_invoice(subscribe_tenant(slug, **fields))
    refresh_overdue(as_of=OVERDUE_AT)
    return invoice


def declined(
    provider: ScriptedProvider,
    slug: str = "acme",
    error: str | Declined = "Your card has insufficient funds.",
    **fields: Any,
) -> Invoice:
    """Return an invoice over 49.00 EUR whose card was declined on 1 March 2026 at 2:00."""
    invoice = first_invoice(subscribe_tenant(slug, **fields))
    customer = ensure_customer(tenant_id=invoice.tenant_id, provider=provider)
    keep_card_of_customer(customer=customer, card_label=CARD)
    ProviderInvoice.objects.create(
        invoice=invoice,
        provider="second",
        reference=f"claim-{invoice.number}",
        payment_url=f"https://second.example/claim-{invoice.number}",
    )
    record_failed_payment(
        invoice_id=invoice.pk, provider="second", reference=f"first-{slug}", amount_minor=4900, currency="EUR",
        error=error, occurred_at=FAILED_AT, as_of=FAILED_AT,
    )  # fmt: skip
    invoice.refresh_from_db()
    return invoice


def pay(invoice: Invoice, at: datetime, reference: str = "bank 1") -> None:
    """Pay the whole invoice by transfer."""
    record_manual_payment(
        invoice_id=invoice.pk, reference=reference, amount_minor=4900, currency="EUR", occurred_at=at, actor=STAFF,
        as_of=at,
    )  # fmt: skip


def run_until(end: datetime, *, since: datetime = FAILED_AT, every: timedelta = timedelta(hours=6)) -> None:
    """Run dunning as its schedule would."""
    moment = since
    while moment <= end:
        run_due_steps(as_of=moment)
        moment += every


def case_of(invoice: Invoice) -> DunningCase:
    """Return the latest case of an invoice."""
    return DunningCase.objects.filter(invoice=invoice).latest("opened_at", "pk")


def steps_of(invoice: Invoice) -> list[tuple[str, str, date | None]]:
    """Return each step of the latest case: its kind, its status and the day on which it ended."""
    steps = case_of(invoice).steps.order_by("position")
    return [(step.kind, step.status, step.done_at and step.done_at.date()) for step in steps]


def subjects() -> list[str]:
    """Return the subjects of the mails of dunning, in the order in which they were queued."""
    return list(OutboundMail.objects.filter(kind="dunning").order_by("pk").values_list("subject", flat=True))


def set_schedule(**changes: Any) -> DunningSchedule:
    """Change the default schedule."""
    DunningSchedule.objects.filter(is_default=True).update(**changes)
    return DunningSchedule.objects.get(is_default=True)


def subscription_of(invoice: Invoice) -> Subscription:
    """Return the invoice's subscription as it is now."""
    return Subscription.objects.select_related("tenant").get(pk=invoice.subscription_id)
