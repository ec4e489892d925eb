"""Collecting through Stripe: each unpaid invoice of ours is one invoice at Stripe, whatever crashes or runs twice (decision 0006).

Before one is made, those that Stripe has for ours are listed: so a push that died half-way, however long ago, is taken up where it
stopped. Two at once make the same one, by its Idempotency-Key. Ours names Stripe's before anything is charged; whatever
nobody owes any more is taken back there, too.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from accounts.domain.job_report import JobReport
from accounts.errors import NotFoundError
from accounts.models import JobRun
from accounts.services.jobs import run_job
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe.objects import Json, read_invoice, required, text, to_stripe_amount, whole
from billing.collection.selectors.work import invoices_to_collect, invoices_to_take_back
from billing.collection.services.agreements import AgreementsTold, tell_agreements
from billing.collection.services.checkout import ensure_customer
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError, PaymentProviderError, PaymentRefusedError, StripeObjectError
from billing.models import BillingProfile, Invoice

COLLECTION_JOB: Final = "stripe_collection"
BATCH: Final = 200
WITHOUT_ANSWER_MAX: Final = 3
# Stripe's clock and ours may differ.
CREATED_SLACK: Final = timedelta(days=1)
# What Stripe calls uncollectible can still be paid there.
_VOID: Final = "void"
Work = Callable[[Invoice, datetime], None]


@dataclass(slots=True)
class Collected:
    """What a run did. `refused` has what Stripe said no to, `away` why it did not answer."""

    pushed: int = 0
    taken_back: int = 0
    refused: list[str] = field(default_factory=list)
    away: str = ""
    without_answer: int = 0
    agreements: AgreementsTold = field(default_factory=AgreementsTold)

    @property
    def is_over(self) -> bool:
        """Whether Stripe did not answer several times in a row: it will not answer for the next one either."""
        return self.without_answer >= WITHOUT_ANSWER_MAX

    def report(self) -> JobReport:
        """For the admin."""
        summary = {"pushed": self.pushed, "taken_back": self.taken_back, "agreements": self.agreements.told}
        troubles = [*self.refused, *self.agreements.refused, *([self.away] if self.away else [])]
        return JobReport({**summary, "troubles": troubles[:20]}, needs_attention=bool(troubles))


def collect_due(*, as_of: datetime, tenant_ids: Collection[UUID] | None = None) -> Collected:
    """Hand every unpaid invoice of a customer with a card to Stripe, and take back what is settled. Safe to run twice and at once."""
    done = Collected()
    if not stripe_api.is_configured():
        return done
    for invoice in _each(invoices_to_collect(tenant_ids)[:BATCH]):
        done.pushed += _try(_push, invoice, as_of, done)
    if tenant_ids is not None:
        return done
    for invoice in _each(invoices_to_take_back()[:BATCH]):
        done.taken_back += _try(_take_back, invoice, as_of, done)
    if not done.is_over:
        try:
            done.agreements = tell_agreements()
        except PaymentProviderError as error:
            done.away = error.detail
    return done


def run_collection(*, started_by: str, as_of: datetime) -> JobRun:
    """The same, recorded as a run of its job."""
    return run_job(
        name=COLLECTION_JOB, started_by=started_by, as_of=as_of, work=lambda: collect_due(as_of=as_of).report()
    )


def payment_link(*, invoice_id: UUID, as_of: datetime) -> str:
    """Return the address of Stripe's page on which this invoice can be paid now, by any card.

    Raises `NotFoundError`, `InvoiceStatusError` where there is nothing to pay, `PaymentProviderError`, `PaymentRefusedError`.
    """
    invoice = Invoice.objects.filter(pk=invoice_id).first()
    if invoice is None:
        raise NotFoundError("There is no such invoice.")
    if invoice.status != InvoiceStatus.FINALIZED or not invoice.total_minor:
        raise InvoiceStatusError(f"The invoice is {invoice.status}: there is nothing to pay.")
    ensure_customer(tenant_id=invoice.tenant_id)
    _push(invoice, as_of)
    url = Invoice.objects.values_list("payment_url", flat=True).get(pk=invoice_id)
    if not url:
        raise InvoiceStatusError("The invoice was settled at this very moment.")
    return url


def _each(invoices: QuerySet[Invoice]) -> Iterator[Invoice]:
    """Each as it is when its turn comes: the calls before it may have taken minutes."""
    for invoice in list(invoices):
        yield Invoice.objects.get(pk=invoice.pk)


def _try(work: Work, invoice: Invoice, as_of: datetime, done: Collected) -> int:
    """Do it for one invoice; one that fails does not stop the others, a Stripe that is away does."""
    if done.is_over:
        return 0
    try:
        work(invoice, as_of)
    except (PaymentRefusedError, StripeObjectError) as error:
        done.refused.append(f"{invoice.number}: {error.detail}")
        return 0
    except PaymentProviderError as error:
        done.away = error.detail
        done.without_answer += 1
        return 0
    done.without_answer = 0
    return 1


def _push(invoice: Invoice, as_of: datetime) -> None:
    """Bring Stripe's invoice to where it can be paid, from wherever it is."""
    if invoice.status != InvoiceStatus.FINALIZED:
        return
    profile = BillingProfile.objects.get(tenant_id=invoice.tenant_id)
    described, void_ids = _described_or_made(invoice, profile, as_of)
    stripe_invoice_id = required(described, "id")
    if text(described, "status") == "draft":
        _fill(invoice, described, profile.stripe_customer_id)
        if not _is_named(invoice, stripe_invoice_id, void_ids):
            stripe_api.delete_draft_invoice(stripe_invoice_id)  # settled in the meantime
            return
        is_charged = text(described, "collection_method") == "charge_automatically"
        described = stripe_api.finalize_invoice(stripe_invoice_id, is_charged=is_charged)
    elif not _is_named(invoice, stripe_invoice_id, void_ids):
        return
    url = read_invoice(described).hosted_url
    Invoice.objects.filter(pk=invoice.pk, stripe_invoice_id=stripe_invoice_id).update(payment_url=url)


def _described_or_made(invoice: Invoice, profile: BillingProfile, as_of: datetime) -> tuple[Json, list[str]]:
    """Stripe's invoice for ours: the one that collects it, or a new one where there is none, or it was voided there; which are void."""
    assert invoice.finalized_at is not None, "only a finalized invoice is owed"
    since = invoice.finalized_at - CREATED_SLACK
    there = stripe_api.invoices_for(invoice.pk, customer_id=profile.stripe_customer_id, since=since)
    going_on = [item for item in there if text(item, "status") != _VOID]
    void_ids = [required(item, "id") for item in there if text(item, "status") == _VOID]
    if going_on:
        return going_on[-1], void_ids
    assert invoice.due_on is not None, "a finalized invoice has a due date"
    days = max((invoice.due_on - as_of.date()).days, 1)
    made = stripe_api.create_invoice(
        invoice_id=invoice.pk,
        generation=len(there),
        customer_id=profile.stripe_customer_id,
        currency=invoice.currency,
        description=f"Invoice {invoice.number}",
        days_until_due=None if profile.card_label else days,
    )
    return made, void_ids


def _fill(invoice: Invoice, draft: Json, customer_id: str) -> None:
    """Put our total on the draft, if it does not stand there. The lines and the tax are on our invoice."""
    amount = to_stripe_amount(invoice.total_minor, invoice.currency)
    standing = whole(draft, "total")
    if standing == amount:
        return
    if standing:
        raise StripeObjectError(f"Stripe's draft {required(draft, 'id')} is over {standing}, ours over {amount}.")
    stripe_api.add_invoice_item(
        stripe_invoice_id=required(draft, "id"),
        customer_id=customer_id,
        amount=amount,
        currency=invoice.currency,
        description=f"Invoice {invoice.number}",
    )


def _is_named(invoice: Invoice, stripe_invoice_id: str, void_ids: Collection[str]) -> bool:
    """Write on ours which of Stripe's collects it, if it is still owed, and no other does."""
    owed = Invoice.objects.filter(
        pk=invoice.pk, status=InvoiceStatus.FINALIZED, stripe_invoice_id__in=["", stripe_invoice_id, *void_ids]
    )
    return owed.update(stripe_invoice_id=stripe_invoice_id) == 1


def _take_back(invoice: Invoice, _as_of: datetime) -> None:
    """End Stripe's collecting. Where Stripe was paid meanwhile nothing is done: its event makes that an unmatched payment."""
    described = stripe_api.invoice(invoice.stripe_invoice_id)
    status = text(described, "status")
    if status == "paid":
        raise StripeObjectError(f"Stripe was paid {invoice.stripe_invoice_id}, which is {invoice.status} here.")
    if status == "draft":
        stripe_api.delete_draft_invoice(invoice.stripe_invoice_id)
    elif status != _VOID:
        stripe_api.void_invoice(invoice.stripe_invoice_id)
    Invoice.objects.filter(pk=invoice.pk, stripe_invoice_id=invoice.stripe_invoice_id).update(
        stripe_invoice_id="", payment_url=""
    )
