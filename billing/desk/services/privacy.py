"""What the desk keeps of a tenant. Staff are named by their accounts, which erasing makes pseudonyms."""

from collections.abc import Iterable

from accounts.models import Tenant
from accounts.services.privacy_parts import ExportPiece, PrivacyPart, exported_table
from billing.desk.models import LineQuestion, WriteOff
from billing.models import SingleItem


class DeskPrivacy(PrivacyPart):
    """What `settings.PRIVACY_PARTS` names."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return what was written off, what was added to next invoices, and questions about lines."""
        yield exported_table(
            "single_items.json", SingleItem.objects.filter(tenant=tenant), "id", "subscription_id", "description",
            "quantity", "unit", "unit_price", "first_on", "last_on", "tax_category", "amount_minor", "currency",
            "reason", "created_at", "cancelled_at", invoice_number="invoice__number",
        )  # fmt: skip
        yield exported_table(
            "line_questions.json", LineQuestion.objects.filter(tenant=tenant), "id", "position", "description",
            "reason", "events", "status", "asked_at", "decided_at", "answer", "events_voided",
            invoice_number="invoice__number", credit_note_number="credit_note__number",
        )  # fmt: skip
        yield exported_table(
            "write_offs.json", WriteOff.objects.filter(tenant=tenant), "id", "amount_minor", "currency", "reason",
            "created_at", invoice_number="invoice__number",
        )  # fmt: skip
