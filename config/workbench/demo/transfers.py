"""The demo's bank statement, three of whose four entries pay an invoice, and a payment that is disputed."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import Final

from accounts.domain.actor import Actor
from accounts.models import Tenant
from billing.banking.models import BankStatement
from billing.banking.services.importing import import_statement
from billing.domain.money import to_major
from billing.domain.transfers import creditor_reference
from billing.models import DisputeState, Invoice, Payment, PaymentDispute, PaymentStatus
from billing.services.invoicing.going_back import DisputeToRecord, record_dispute
from config.workbench.demo.fakes import STRIPE, returned_reference

# Whoever of these paid in the days before the statement is in it; what they paid earlier came one by one.
IN_STATEMENT: Final = ("kestrel-logistics", "quiet-harbour-studio", "sakura-payments")
STATEMENT_DAYS: Final = timedelta(days=31)
ANSWER_WITHIN: Final = timedelta(days=9)
DISPUTED_FOR: Final = "harbor-analytics"
COLUMNS: Final = ("Date", "Amount", "Currency", "Text", "Name", "Reference")


@dataclass(frozen=True, slots=True)
class Transfer:
    """An invoice, and when its customer paid it by transfer."""

    invoice: Invoice
    paid_at: datetime


def import_demo_statement(*, transfers: Sequence[Transfer], actor: Actor, as_of: datetime) -> None:
    """Import a statement once: customers name reference, number or nothing, and one entry waits for staff."""
    if not transfers or BankStatement.objects.exists():
        return
    written = StringIO()
    rows = csv.writer(written)
    rows.writerow(COLUMNS)
    for position, one in enumerate(sorted(transfers, key=lambda transfer: transfer.paid_at)):
        number, name = str(one.invoice.number), one.invoice.tenant.name
        text = (creditor_reference(number), f"Invoice {number}", "Thank you")[position % 3]
        amount = to_major(one.invoice.amount_due_minor, one.invoice.currency)
        rows.writerow((f"{one.paid_at:%Y-%m-%d}", f"{amount:f}", one.invoice.currency, text, name, f"NTRY-{position}"))
    day = max(one.paid_at for one in transfers)
    rows.writerow((f"{day:%Y-%m-%d}", "118.40", "EUR", "Rechnung vom letzten Monat", "M. Brandl", "NTRY-LAST"))
    import_statement(
        content=written.getvalue().encode(), file_name=f"statement-{day:%Y-%m}.csv", actor=actor, as_of=as_of
    )


def dispute_a_payment(*, tenants: Sequence[Tenant], as_of: datetime) -> None:
    """Record once that a cardholder disputes the latest payment of one customer: the bank has taken the money."""
    paid = Payment.objects.filter(
        tenant__in=tenants, tenant__slug=DISPUTED_FOR, provider=STRIPE, status=PaymentStatus.SUCCEEDED,
        occurred_at__lt=as_of - timedelta(days=1), refunded_minor=0,
    )  # fmt: skip
    payment = paid.order_by("-occurred_at").first()
    if payment is None or PaymentDispute.objects.filter(payment__tenant=payment.tenant).exists():
        return
    at = max(payment.occurred_at, as_of - timedelta(days=2)) + timedelta(minutes=5)
    told = DisputeToRecord(
        reference=returned_reference("du", payment), state=DisputeState.OPEN, amount_minor=payment.amount_minor,
        currency=payment.currency, reason="fraudulent", answer_by=at + ANSWER_WITHIN, occurred_at=at,
    )  # fmt: skip
    record_dispute(payment=payment, told=told, as_of=at)
