"""The effects of a provider's events.

An event says that an object changed; the *current* state of the object is fetched and applied.

So the number and the order of deliveries do not matter, as long as no worker applies an older answer over a newer one.
`ProviderCustomer.revision` ensures that: it is read before the provider is called, and incremented in the transaction
that applies the answer. A worker that finds another revision fetches again. The network is used outside of
transactions.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import F

from billing.collection.domain.provider import (
    Agreement,
    AgreementEnd,
    AgreementNews,
    CardNews,
    IgnoredEvent,
    InboundEvent,
    InvoiceNews,
    News,
    PaymentNews,
    PaymentProvider,
    ReportedPayment,
)
from billing.collection.errors import CustomerGoneError, ProviderObjectError
from billing.collection.models import ProviderAgreement, ProviderCustomer
from billing.collection.selectors.work import customer_named
from billing.collection.services.agreements import apply_agreement, is_superfluous
from billing.collection.services.customers import forget_customer, keep_card_of_customer
from billing.collection.services.refunds import apply_payment
from billing.models import Invoice
from billing.services.invoicing.payments import (
    Declined,
    record_failed_payment,
    record_payment,
    record_payment_in_advance,
)


class StateMovedError(Exception):
    """Another worker applied a newer answer of the provider since this one was fetched."""


@dataclass(frozen=True, slots=True)
class CustomerGone:
    """The provider has deleted the customer."""

    detail: str


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """The state of a customer's object at a provider, ready to be applied in a transaction.

    The customer's revision is the one read before the call.
    """

    customer: ProviderCustomer
    news: News | CustomerGone
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
    try:
        news = provider.look_up(event, subject)
    except CustomerGoneError as error:
        return ProviderAnswer(customer, CustomerGone(error.detail))
    if isinstance(news, IgnoredEvent):
        return news
    if isinstance(news, AgreementNews):
        return _about_agreement(provider, customer, news)
    if isinstance(news, InvoiceNews | PaymentNews):
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
        ended = provider.end_agreement(agreement.reference, AgreementEnd.NOW)
        if news.payment is None:
            return IgnoredEvent("a second agreement: ended at the provider")
        news = replace(news, agreement=ended, remarks="a second agreement: ended at the provider")
        return ProviderAnswer(customer, news, customer.card_label)
    return ProviderAnswer(customer, news, provider.ensure_card(agreement))


def _check_invoice(customer: ProviderCustomer, news: InvoiceNews | PaymentNews) -> None:
    if news.invoice_id is None:
        return
    is_ours = Invoice.objects.filter(pk=news.invoice_id, tenant_id=customer.tenant_id).exists()
    if not is_ours or news.customer_reference != customer.reference:
        named = news.reference if isinstance(news, InvoiceNews) else news.payment_reference
        raise ProviderObjectError(f"{named} names an invoice of ours that is not its customer's.")


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
    if isinstance(news, CustomerGone):
        return forget_customer(customer=customer, why=news.detail, as_of=as_of)
    if isinstance(news, CardNews):
        keep_card_of_customer(customer=customer, card_label=news.card_label)
        return f"the card is {news.card_label or 'none'}"
    if isinstance(news, AgreementNews):
        keep_card_of_customer(customer=customer, card_label=answer.card_label)
        done = apply_agreement(
            provider=customer.provider, agreement=news.agreement, tenant=customer.tenant, as_of=as_of
        )
        if news.payment is not None:
            done += f", {_keep_payment(customer, news.agreement, news.payment, as_of)}"
    elif isinstance(news, PaymentNews):
        done = apply_payment(provider=customer.provider, tenant_id=customer.tenant_id, news=news, as_of=as_of)
    else:
        done = _apply_invoice(customer.provider, news, as_of)
    return f"{done}; {news.remarks}" if news.remarks else done


def _keep_payment(customer: ProviderCustomer, agreement: Agreement, payment: ReportedPayment, as_of: datetime) -> str:
    """Keep what was paid with an agreement for the first invoice, which takes it when it is finalized.

    Without a subscription that came of it, it waits for staff.
    """
    is_bound = ProviderAgreement.objects.filter(provider=customer.provider, reference=agreement.reference).exists()
    record_payment_in_advance(
        tenant_id=customer.tenant_id,
        provider=customer.provider,
        reference=payment.reference,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        occurred_at=payment.occurred_at or as_of,
        as_of=as_of,
        waits_because="" if is_bound else "It was paid with a second agreement, which was ended.",
    )
    return f"{payment.reference} is on record"


def _apply_invoice(provider: str, news: InvoiceNews, as_of: datetime) -> str:
    done = []
    for failure in news.failures:
        record_failed_payment(
            invoice_id=news.invoice_id,
            provider=provider,
            reference=failure.reference,
            amount_minor=failure.amount_minor,
            currency=failure.currency,
            error=Declined(failure.error, failure.decline_code, failure.is_final),
            occurred_at=failure.occurred_at or as_of,
            as_of=as_of,
        )
    if news.failures:
        done.append("failed attempts are on record")
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
