"""Charging an invoice again after its payment failed. Dunning decides when: docs/dunning.md.

One attempt has one name, by which the provider charges once, however often the attempt is repeated.
"""

from datetime import datetime
from uuid import UUID

from billing.collection.domain.provider import ReportedPayment
from billing.collection.errors import PaymentRefusedError
from billing.collection.gateways.registry import provider_named
from billing.collection.models import ProviderInvoice
from billing.services.invoicing.payments import Declined, record_failed_payment, record_payment


def charge_again(*, invoice_id: UUID, attempt: str, as_of: datetime) -> ReportedPayment:
    """Charge the customer's card for an invoice that the provider collects, and record the outcome.

    It uses the network, so it is not called inside a transaction. The provider's event tells the same payment later.
    Raises `PaymentRefusedError` if there is nothing to charge, `PaymentProviderError` if the outcome is unknown: the
    same attempt is then repeated.
    """
    named = ProviderInvoice.objects.filter(invoice=invoice_id).first()
    provider = None if named is None else provider_named(named.provider)
    if named is None or provider is None:
        raise PaymentRefusedError("No payment provider collects this invoice.")
    told = provider.charge_again(named.reference, attempt=attempt)
    if told.error:
        record_failed_payment(
            invoice_id=invoice_id,
            provider=provider.name,
            reference=told.reference,
            amount_minor=told.amount_minor,
            currency=told.currency,
            error=Declined(told.error, told.decline_code, told.is_final),
            occurred_at=told.occurred_at or as_of,
            as_of=as_of,
        )
    else:
        record_payment(
            invoice_id=invoice_id,
            provider=provider.name,
            reference=told.reference,
            amount_minor=told.amount_minor,
            currency=told.currency,
            occurred_at=told.occurred_at or as_of,
            as_of=as_of,
        )
    return told
