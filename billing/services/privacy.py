"""What billing keeps of a tenant and of a person. Invoices are kept for the statutory term, whoever is erased."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from accounts.models import StoredFile, Tenant
from accounts.services.privacy_parts import (
    ErasedPerson,
    ExportedDocument,
    ExportPiece,
    PrivacyPart,
    exported_table,
)
from billing.ledger.models import JournalEntry, Posting
from billing.models import (
    BillingException,
    BillingProfile,
    CreditNote,
    CreditSetOff,
    DocumentFile,
    Invoice,
    InvoiceHold,
    InvoiceLine,
    InvoiceTax,
    Payment,
    PaymentAllocation,
    PaymentDispute,
    PaymentRefund,
    Subscription,
    SubscriptionPhase,
    TaxIdCheck,
)

_AMOUNTS: Final = ("currency", "subtotal_minor", "tax_minor", "carried_minor", "total_minor")


class BillingPrivacy(PrivacyPart):
    """What `settings.PRIVACY_PARTS` names."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return what was bought, what was invoiced, and the documents."""
        yield exported_table(
            "billing_profile.json", BillingProfile.objects.filter(tenant=tenant), "tax_treatment", "tax_percent",
            "tax_exemption_reason", "payment_days", "card_label",
        )  # fmt: skip
        yield exported_table(
            "tax_id_checks.json", TaxIdCheck.objects.filter(tenant=tenant), "id", "tax_id", "is_valid", "source",
            "reference", "name", "address", "checked_at",
        )  # fmt: skip
        yield exported_table(
            "subscriptions.json", Subscription.objects.of_tenant(tenant.pk), "id", "status", "currency", "time_zone",
            "started_at", "anchor_at", "period_start", "period_end", "is_cancelled_at_period_end", "cancelled_at",
            "ended_at", "created_at", plan="plan_version__plan__code", plan_version_number="plan_version__number",
        )  # fmt: skip
        yield exported_table(
            "subscription_phases.json", SubscriptionPhase.objects.filter(subscription__tenant=tenant), "id",
            "subscription_id", "starts_at", plan="plan_version__plan__code", plan_version_number="plan_version__number",
        )  # fmt: skip
        yield exported_table(
            "invoices.json", Invoice.objects.of_tenant(tenant.pk), "id", "subscription_id", "status", "number",
            "period_start", "period_end", *_AMOUNTS, "amount_paid_minor", "credited_minor", "drafted_at",
            "finalized_at", "issued_on", "due_on", "paid_at", "voided_at", "void_reason", "uncollectible_at",
            "payment_failed_at", document_content="document__content",
        )  # fmt: skip
        yield exported_table(
            "invoice_lines.json", InvoiceLine.objects.filter(invoice__tenant=tenant), "id", "invoice_id", "revision",
            "position", "kind", "description", "period_start", "period_end", "quantity", "unit", "events",
            "amount_minor", "explanation", "tax_category", "tax_percent", "tax_name", "tax_reason", "tax_jurisdiction",
            "tax_treatment", "supplied_on", meter_code="meter__code",
        )  # fmt: skip
        yield exported_table(
            "invoice_taxes.json", InvoiceTax.objects.filter(invoice__tenant=tenant), "id", "invoice_id", "revision",
            "position", "jurisdiction", "category", "treatment", "name", "percent", "reason", "base_minor", "tax_minor",
        )  # fmt: skip
        yield exported_table(
            "credit_notes.json", CreditNote.objects.filter(tenant=tenant), "id", "number", *_AMOUNTS, "reason",
            "issued_on", "issued_at", "content", part_of_number="part_of__number", invoice_number="invoice__number",
        )  # fmt: skip
        yield from _money(tenant)
        yield exported_table(
            "ledger_entries.json", JournalEntry.objects.filter(tenant=tenant), "id", "kind", "document", "currency",
            "occurred_at", "posted_on",
        )  # fmt: skip
        yield exported_table(
            "ledger_postings.json", Posting.objects.filter(tenant=tenant), "id", "entry_id", "account", "amount_minor",
            "currency", "document", "due_on", "meter", "service_month", "jurisdiction", "tax_category", "tax_name",
            "tax_percent", "base_minor", "provider",
        )  # fmt: skip
        yield exported_table(
            "billing_exceptions.json", BillingException.objects.filter(subscription__tenant=tenant), "id", "code",
            "detail", "occurred_at", "resolved_at", "resolution",
        )  # fmt: skip
        yield from _documents_of(tenant)

    def forget(self, *, person: ErasedPerson) -> None:
        """Replace staff who resolved an exception by the pseudonym."""
        for label in BillingException.objects.exclude(resolved_by="").values_list("resolved_by", flat=True).distinct():
            if person.without(label) != label:
                BillingException.objects.filter(resolved_by=label).update(resolved_by=person.without(label))


def _documents_of(tenant: Tenant) -> Iterator[ExportedDocument]:
    """Yield the PDF of each invoice and credit note of the tenant, as it was issued."""
    for rows in (Invoice.objects.of_tenant(tenant.pk), CreditNote.objects.filter(tenant=tenant)):
        numbers = rows.exclude(number=None).values("number")
        files = DocumentFile.objects.filter(pk__in=numbers).order_by("pk")
        for number, file_id in files.values_list("number", "file_id"):
            yield ExportedDocument(f"documents/{number}.pdf", partial(_content_of, file_id))


def _content_of(file_id: str) -> bytes:
    return bytes(StoredFile.objects.get(pk=file_id).content)


def _money(tenant: Tenant) -> Iterable[ExportPiece]:
    """Yield what was paid, what it pays for, and what went back."""
    yield exported_table(
        "payments.json", Payment.objects.filter(tenant=tenant), "id", "provider", "reference", "status",
        "amount_minor", "currency", "error", "occurred_at", "allocated_minor", "refunded_minor",
        invoice_number="invoice__number",
    )  # fmt: skip
    yield exported_table(
        "payment_allocations.json", PaymentAllocation.objects.filter(tenant=tenant), "id", "payment_id",
        "amount_minor", "reason", "created_at", invoice_number="invoice__number",
    )  # fmt: skip
    yield exported_table(
        "refunds.json", PaymentRefund.objects.filter(tenant=tenant), "id", "payment_id", "way", "reference",
        "amount_minor", "currency", "reason", "reverses_id", "occurred_at",
    )  # fmt: skip
    yield exported_table(
        "disputes.json", PaymentDispute.objects.filter(tenant=tenant), "id", "payment_id", "reference", "state",
        "amount_minor", "currency", "reason", "answer_by", "occurred_at", "closed_at",
    )  # fmt: skip
    yield exported_table(
        "invoice_holds.json", InvoiceHold.objects.filter(tenant=tenant), "reason", "created_at",
        invoice_number="invoice__number",
    )  # fmt: skip
    yield exported_table(
        "set_offs.json", CreditSetOff.objects.filter(tenant=tenant), "id", "amount_minor", "created_at",
        invoice_number="invoice__number", subscription_id="exception__subscription_id",
    )  # fmt: skip
