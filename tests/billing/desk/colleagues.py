"""Two members of staff, for tests of four eyes."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from accounts.domain.actor import Actor
from accounts.models import User
from billing.desk.models import Approval
from billing.desk.services.writing_off import write_off_invoice
from billing.models import Invoice, Payment
from billing.services.invoicing.payments import record_payment
from tests.billing.world import MARCH, first_invoice, set_issuer, subscribe_tenant

MAY: Final = MARCH + timedelta(days=70)


def colleague(name: str) -> Actor:
    """Return a member of staff, created if it is not there yet."""
    user = User.objects.filter(email=f"{name}@example.org").first() or User.objects.create_user(
        f"{name}@example.org", None, is_staff=True
    )
    return Actor.staff(user_id=user.pk, label=user.email)


def overdue_invoice(slug: str = "acme") -> Invoice:
    """Return an invoice over 49.00 EUR that is overdue in May; above 20.00 a colleague is needed."""
    set_issuer(country="BE", approval_above=Decimal(20))
    return first_invoice(subscribe_tenant(slug))


def asked(invoice: Invoice, *, by: str = "bo", as_of: datetime = MAY) -> Approval:
    """Return the request to write the invoice off."""
    found = write_off_invoice(invoice_id=invoice.pk, reason="bankrupt", actor=colleague(by), as_of=as_of)
    assert isinstance(found, Approval)
    return found


def paid_for(invoice: Invoice, amount_minor: int) -> Payment:
    """Return a payment of so much for the invoice."""
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="pi_1", amount_minor=amount_minor, currency="EUR",
        occurred_at=MAY, as_of=MAY,
    )  # fmt: skip
    return Payment.objects.get()
