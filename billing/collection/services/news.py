"""The effects of a provider's events.

An event says that an object changed; the *current* state of the object is fetched and applied.

So the number and the order of deliveries do not matter, as long as no worker applies an older answer over a newer one.
`ProviderCustomer.revision` ensures that: it is read before the provider is called, and incremented in the transaction
that applies the answer. A worker that finds another revision fetches again. The network is used outside of
transactions.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from billing.collection.domain.provider import (
    AgreementEnd,
    AgreementNews,
    CardNews,
    IgnoredEvent,
    InboundEvent,
    InvoiceNews,
    PaymentProvider,
)
from billing.collection.errors import ProviderObjectError
from billing.collection.models import ProviderCustomer
from billing.collection.selectors.work import customer_named
from billing.collection.services.agreements import apply_agreement, is_superfluous
from billing.collection.services.customers import keep_card_of_customer
from billing.models import Invoice
from billing.services.invoicing.payments import record_failed_payment, record_payment


class StateMovedError(Exception):
    """Another worker applied a newer answer of the provider since this one was fetched."""


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """The state of a customer's object at a provider, ready to be applied in a transaction.

    The customer's revision is the one read before the call.
    """

    customer: ProviderCustomer
    news: AgreementNews | CardNews | InvoiceNews
    card_label: str = ""


def fetch_answer(*, provider: PaymentProvider, event: InboundEvent) -> ProviderAnswer | IgnoredEvent:
    """Fetch the current state of an event's subject from the provider.

    Raises `PaymentProviderError`, `PaymentRefusedError`, `ProviderObjectError`.
    """
    subject = provider.subject_of(event)
    if isinstance(subject, IgnoredEvent):
        return subject
    # With its revision: read before the provider is called.
    customer = customer_named(provider=provider.name, reference=subject.customer_reference)
    if customer is None:
        return IgnoredEvent(f"{subject.customer_reference or 'its customer'} is not a customer of ours")
    news = provider.look_up(event, subject)
    if isinstance(news, IgnoredEvent):
        return news
    if isinstance(news, AgreementNews):
        return _about_agreement(provider, customer, news)
    if isinstance(news, InvoiceNews):
        _check_invoice(customer, news)
    return ProviderAnswer(customer, news)


def _about_agreement(
    provider: PaymentProvider, customer: ProviderCustomer, news: AgreementNews
) -> ProviderAnswer | IgnoredEvent:
    """End a superfluous agreement; for any other, fetch the card that will be charged."""
    agreement = news.agreement
    if agreement.tenant_id != customer.tenant_id or agreement.customer_reference != customer.reference:
        raise ProviderObjectError(
            f"{agreement.reference} names another tenant than its customer {customer.reference} is."
        )
    if is_superfluous(provider=provider.name, agreement=agreement, tenant=customer.tenant):
        provider.end_agreement(agreement.reference, AgreementEnd.NOW)
        return IgnoredEvent("a second agreement: ended at the provider")
    return ProviderAnswer(customer, news, provider.ensure_card(agreement))


def _check_invoice(customer: ProviderCustomer, news: InvoiceNews) -> None:
    is_ours = Invoice.objects.filter(pk=news.invoice_id, tenant_id=customer.tenant_id).exists()
    if not is_ours or news.customer_reference != customer.reference:
        raise ProviderObjectError(f"{news.reference} names an invoice of ours that is not its customer's.")


def apply_answer(*, answer: ProviderAnswer, as_of: datetime) -> str:
    """Apply a provider's answer, inside of a transaction, and return what was done as a sentence.

    Raises `StateMovedError` if a newer answer was applied since, and the errors of the services that apply it.
    """
    seen = ProviderCustomer.objects.filter(pk=answer.customer.pk, revision=answer.customer.revision)
    if seen.update(revision=F("revision") + 1) != 1:
        raise StateMovedError
    return apply_news(answer=answer, as_of=as_of)


def apply_news(*, answer: ProviderAnswer, as_of: datetime) -> str:
    """Apply an answer, even if another one was applied since it was fetched."""
    customer, news = answer.customer, answer.news
    if isinstance(news, CardNews):
        keep_card_of_customer(customer=customer, card_label=news.card_label)
        return f"the card is {news.card_label or 'none'}"
    if isinstance(news, AgreementNews):
        keep_card_of_customer(customer=customer, card_label=answer.card_label)
        done = apply_agreement(
            provider=customer.provider, agreement=news.agreement, tenant=customer.tenant, as_of=as_of
        )
    else:
        done = _apply_invoice(customer.provider, news, as_of)
    return f"{done}; {news.remarks}" if news.remarks else done


def _apply_invoice(provider: str, news: InvoiceNews, as_of: datetime) -> str:
    done = []
    if failure := news.failure:
        record_failed_payment(
            invoice_id=news.invoice_id,
            provider=provider,
            reference=failure.reference,
            amount_minor=failure.amount_minor,
            currency=failure.currency,
            error=failure.error,
            occurred_at=failure.occurred_at or as_of,
            as_of=as_of,
        )
        done.append("a failed attempt is on record")
    if payment := news.payment:
        paid = record_payment(
            invoice_id=news.invoice_id,
            provider=provider,
            reference=payment.reference,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            occurred_at=payment.occurred_at or as_of,
            as_of=as_of,
        )
        done.append(f"{paid.number} is {paid.status}")
    return ", ".join(done) or f"nothing: at the provider it is {news.status}"
