"""What a provider's events change here.

An event says that something happened to an object; what is applied is how the object is *now*.

So the number and the order of deliveries do not matter, as long as nobody applies an older answer over a newer one.
That is held by `ProviderCustomer.revision`: it is read before the provider is asked, and counted up in the transaction
that applies the answer; who finds that it moved meanwhile asks again. The network is asked outside of any transaction.
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
    """Somebody applied a newer answer of the provider's since this one was asked for."""


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What a provider said of a customer, ready to be applied in a transaction.

    The customer's revision is the one seen before asking.
    """

    customer: ProviderCustomer
    news: AgreementNews | CardNews | InvoiceNews
    card_label: str = ""


def ask_about(*, provider: PaymentProvider, event: InboundEvent) -> ProviderAnswer | IgnoredEvent:
    """Ask the provider how things stand.

    Raises `PaymentProviderError`, `PaymentRefusedError`, `ProviderObjectError`.
    """
    subject = provider.subject_of(event)
    if isinstance(subject, IgnoredEvent):
        return subject
    # With its revision: read before the provider is asked.
    customer = customer_named(provider=provider.name, reference=subject.customer_reference)
    if customer is None:
        return IgnoredEvent(f"{subject.customer_reference or 'its customer'} is no customer of ours")
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
    """End an agreement that is one too many; of another one, see what will be charged."""
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
    """Apply what a provider said, inside of a transaction, and return in a sentence what was done.

    Raises `StateMovedError` where a newer answer was applied meanwhile, and the refusals of what is applied.
    """
    seen = ProviderCustomer.objects.filter(pk=answer.customer.pk, revision=answer.customer.revision)
    if seen.update(revision=F("revision") + 1) != 1:
        raise StateMovedError
    return apply_news(answer=answer, as_of=as_of)


def apply_news(*, answer: ProviderAnswer, as_of: datetime) -> str:
    """Apply an answer, whoever else has applied one since it was asked for."""
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
