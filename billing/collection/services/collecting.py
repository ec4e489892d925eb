"""Collect through a provider: each unpaid invoice of ours is one invoice there, whatever happens (decision 0006).

The provider's invoice for ours is looked for before another is created: so a push that was interrupted, however long
ago, is continued. Our row names the provider's invoice before anything is charged; an invoice that is no
longer owed is voided there, too.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.domain.job_report import JobReport
from accounts.errors import NotFoundError
from accounts.models import JobRun
from accounts.services.jobs import run_job
from billing.collection.domain.provider import Bill, PaymentProvider, PreparedInvoice
from billing.collection.errors import CustomerGoneError, PaymentProviderError, PaymentRefusedError, ProviderObjectError
from billing.collection.gateways.registry import configured_providers, provider_named
from billing.collection.models import ProviderCustomer, ProviderInvoice, PushDelay
from billing.collection.selectors.work import invoices_to_collect, invoices_to_take_back
from billing.collection.services.agreements import PushedAgreements, push_agreements
from billing.collection.services.checkout import require_provider
from billing.collection.services.customers import ensure_customer, forget_customer
from billing.collection.services.refunds import push_refunds
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.models import Invoice
from billing.services.invoicing.status import locked_invoice

COLLECTION_JOB: Final = "collection"
BATCH: Final = 200
WITHOUT_ANSWER_MAX: Final = 3
# After a second failure in a row an invoice pauses, each time twice as long.
FIRST_PAUSE: Final = timedelta(minutes=10)
PAUSE_MAX: Final = timedelta(hours=6)
DOUBLINGS_MAX: Final = 10
ERROR_CHARACTERS_MAX: Final = 300
# Longer than any call to a provider takes.
RELEASE_CLAIMED_FOR: Final = timedelta(minutes=5)
Work = Callable[[PaymentProvider, Invoice, datetime], None]


@dataclass(slots=True)
class Collected:
    """The result of a run. `refused` has providers' refusals, `away` the error of the last one that did not respond."""

    pushed: int = 0
    taken_back: int = 0
    refused: list[str] = field(default_factory=list)
    away: str = ""
    without_answer: int = 0
    refunds: int = 0
    agreements: PushedAgreements = field(default_factory=PushedAgreements)

    @property
    def is_over(self) -> bool:
        """Return whether a provider did not respond several times in a row, so that the run ends."""
        return self.without_answer >= WITHOUT_ANSWER_MAX

    def report(self) -> JobReport:
        """Return the report for the admin."""
        summary = {"pushed": self.pushed, "taken_back": self.taken_back, "agreements": self.agreements.told}
        summary["refunds"] = self.refunds
        troubles = [*self.refused, *self.agreements.refused, *([self.away] if self.away else [])]
        return JobReport({**summary, "troubles": troubles[:20]}, needs_attention=bool(troubles))


def collect_due(*, as_of: datetime, tenant_ids: Collection[UUID] | None = None) -> Collected:
    """Push every unpaid invoice of a customer with a card to its provider, and void settled ones there.

    Safe to run twice and at once.
    """
    done = Collected()
    for provider in configured_providers():
        done.without_answer = 0
        _collect_through(provider, done, as_of, tenant_ids)
    return done


def _collect_through(
    provider: PaymentProvider, done: Collected, as_of: datetime, tenant_ids: Collection[UUID] | None
) -> None:
    for invoice in _each(invoices_to_collect(provider=provider.name, as_of=as_of, tenant_ids=tenant_ids)[:BATCH]):
        done.pushed += _try(_push, provider, invoice, as_of, done)
    if tenant_ids is not None:
        return
    for invoice in _each(invoices_to_take_back(provider=provider.name, as_of=as_of)[:BATCH]):
        done.taken_back += _try(_take_back, provider, invoice, as_of, done)
    if not done.is_over:
        refunds = push_refunds(provider=provider, as_of=as_of)
        done.refunds += refunds.made
        done.refused += refunds.refused
        done.away = refunds.away or done.away
        try:
            told = push_agreements(provider=provider)
        except PaymentProviderError as error:
            done.away = error.detail
        else:
            done.agreements.told += told.told
            done.agreements.refused += told.refused


def run_collection(*, started_by: str, as_of: datetime) -> JobRun:
    """Collect what is due, recorded as a run of its job."""
    return run_job(
        name=COLLECTION_JOB, started_by=started_by, as_of=as_of, work=lambda: collect_due(as_of=as_of).report()
    )


def payment_link(*, invoice_id: UUID, as_of: datetime) -> str:
    """Return the address of a provider's page on which this invoice can be paid now, by any card.

    Raises `NotFoundError`, `InvoiceStatusError` if there is nothing to pay, `PaymentProviderError`,
    `PaymentRefusedError`.
    """
    invoice = Invoice.objects.filter(pk=invoice_id).first()
    if invoice is None:
        raise NotFoundError("There is no such invoice.")
    if invoice.status != InvoiceStatus.FINALIZED or not invoice.amount_due_minor:
        raise InvoiceStatusError(f"The invoice is {invoice.status}. There is nothing to pay.")
    provider = _provider_of_invoice(invoice)
    ensure_customer(tenant_id=invoice.tenant_id, provider=provider, as_of=as_of)
    _push(provider, invoice, as_of)
    url = ProviderInvoice.objects.filter(invoice=invoice).values_list("payment_url", flat=True).first()
    if not url:
        raise InvoiceStatusError("The invoice was settled just now.")
    return url


def _provider_of_invoice(invoice: Invoice) -> PaymentProvider:
    """Return the provider that already collects the invoice, else the tenant's."""
    collecting = ProviderInvoice.objects.filter(invoice=invoice).first()
    provider = None if collecting is None else provider_named(collecting.provider)
    return provider or require_provider(invoice.tenant_id)


def _each(invoices: QuerySet[Invoice]) -> Iterator[Invoice]:
    """Yield each invoice, read when its turn comes: the calls before it may have taken minutes."""
    for invoice in list(invoices):
        yield Invoice.objects.get(pk=invoice.pk)


def _try(work: Work, provider: PaymentProvider, invoice: Invoice, as_of: datetime, done: Collected) -> int:
    """Run the work for one invoice. A refusal does not stop the others; a provider that does not respond does."""
    if done.is_over:
        return 0
    try:
        work(provider, invoice, as_of)
    except CustomerGoneError as error:
        gone = ProviderCustomer.objects.filter(tenant_id=invoice.tenant_id, provider=provider.name).first()
        if gone is not None:
            forget_customer(customer=gone, why=error.detail, as_of=as_of)
        done.refused.append(f"{invoice.number}: {error.detail}")
        return 0
    except (PaymentRefusedError, ProviderObjectError) as error:
        _delay(provider, invoice, error.detail, as_of)
        done.refused.append(f"{invoice.number}: {error.detail}")
        return 0
    except PaymentProviderError as error:
        _delay(provider, invoice, error.detail, as_of)
        done.away = error.detail
        done.without_answer += 1
        return 0
    PushDelay.objects.filter(invoice=invoice).delete()
    done.without_answer = 0
    return 1


@transaction.atomic
def _delay(provider: PaymentProvider, invoice: Invoice, error: str, as_of: datetime) -> None:
    """Move an invoice behind the others; from the second failure in a row on, it pauses."""
    row = PushDelay.objects.select_for_update().filter(invoice=invoice).first()
    attempts = 1 if row is None else row.attempts + 1
    pause = min(FIRST_PAUSE * 2 ** min(attempts - 2, DOUBLINGS_MAX), PAUSE_MAX) if attempts > 1 else timedelta(0)
    PushDelay.objects.update_or_create(
        invoice=invoice,
        defaults={
            "tenant_id": invoice.tenant_id,
            "provider": provider.name,
            "attempts": attempts,
            "last_attempt_at": as_of,
            "next_attempt_at": as_of + pause,
            "error": error[:ERROR_CHARACTERS_MAX],
        },
    )


def _push(provider: PaymentProvider, invoice: Invoice, as_of: datetime) -> None:
    """Advance the provider's invoice from any state to the one in which it can be paid."""
    if invoice.status != InvoiceStatus.FINALIZED:
        return
    merchant = provider.describe().merchant_of_record
    if merchant != invoice.merchant_of_record:
        seller, title = invoice.merchant_of_record or "the issuer", provider.describe().title
        raise PaymentRefusedError(f"{invoice.number} says that {seller} sells, so {title} cannot collect it.")
    bill = _bill(provider, invoice, as_of)
    prepared = provider.prepare_invoice(bill)
    if not _is_named(provider, invoice, prepared, bill.total_minor):
        if prepared.is_draft:
            provider.take_back(prepared.reference)  # settled in the meantime
        return
    if prepared.is_draft and prepared.is_released_once:
        prepared = _released_once(provider, invoice, prepared, bill, as_of) or prepared
    url = prepared.payment_url
    if prepared.is_draft and not prepared.is_released_once:
        url = provider.release_invoice(prepared)
    ProviderInvoice.objects.filter(invoice=invoice, provider=provider.name, reference=prepared.reference).update(
        payment_url=url
    )


def _released_once(
    provider: PaymentProvider, invoice: Invoice, prepared: PreparedInvoice, bill: Bill, as_of: datetime
) -> PreparedInvoice | None:
    """Release a draft unless another worker is doing so, and return what it became.

    The claim is over when every call of its worker has ended; then the provider is asked again what it has.
    """
    free = ProviderInvoice.objects.filter(invoice=invoice, reference=prepared.reference).exclude(
        release_claimed_at__gt=as_of - RELEASE_CLAIMED_FOR
    )
    if free.update(release_claimed_at=as_of) != 1:
        return None
    provider.release_invoice(prepared)
    released = provider.prepare_invoice(bill)
    return released if _is_named(provider, invoice, released, bill.total_minor) else None


def _bill(provider: PaymentProvider, invoice: Invoice, as_of: datetime) -> Bill:
    assert invoice.number, "a finalized invoice has a number"
    assert invoice.finalized_at is not None, "only a finalized invoice is owed"
    assert invoice.due_on is not None, "a finalized invoice has a due date"
    customer = ProviderCustomer.objects.get(tenant_id=invoice.tenant_id, provider=provider.name)
    return Bill(
        invoice_id=invoice.pk,
        number=invoice.number,
        customer_reference=customer.reference,
        currency=invoice.currency,
        total_minor=invoice.amount_due_minor,
        is_charged=bool(customer.card_label),
        days_until_due=max((invoice.due_on - as_of.date()).days, 1),
        finalized_at=invoice.finalized_at,
    )


@transaction.atomic
def _is_named(provider: PaymentProvider, invoice: Invoice, prepared: PreparedInvoice, amount_minor: int) -> bool:
    """Store the provider's invoice that collects ours, if the amount is still owed and no other invoice collects it."""
    current = locked_invoice(invoice.pk)
    if current.status != InvoiceStatus.FINALIZED or current.amount_due_minor != amount_minor:
        return False
    named = ProviderInvoice.objects.filter(invoice=invoice).first()
    free = {prepared.reference, *prepared.void_references}
    if named is not None and (named.provider != provider.name or named.reference not in free):
        return False
    ProviderInvoice.objects.update_or_create(
        invoice=invoice,
        defaults={"provider": provider.name, "reference": prepared.reference, "amount_minor": amount_minor},
    )
    return True


def _take_back(provider: PaymentProvider, invoice: Invoice, _as_of: datetime) -> None:
    """Stop the provider's collecting.

    If the invoice was paid there since, nothing is done: its event records an unmatched payment.
    """
    named = ProviderInvoice.objects.get(invoice=invoice)
    if not provider.take_back(named.reference):
        title = provider.describe().title
        raise ProviderObjectError(f"{title} was paid {named.reference}, which is {invoice.status} here.")
    ProviderInvoice.objects.filter(invoice=invoice, reference=named.reference).delete()
