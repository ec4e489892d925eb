"""Dunning's part of a tenant's data export."""

from collections.abc import Iterable

from accounts.models import Tenant
from accounts.services.privacy_parts import ExportPiece, PrivacyPart, exported_table
from billing.dunning.models import DunningCase, DunningPause, DunningStep


class DunningPrivacy(PrivacyPart):
    """The part that `settings.PRIVACY_PARTS` names."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the tenant's cases with their steps, and its pauses."""
        yield exported_table(
            "dunning_cases.json", DunningCase.objects.filter(tenant=tenant), "id", "kind", "status", "stage",
            "opened_at", "closed_at", invoice_number="invoice__number",
        )  # fmt: skip
        yield exported_table(
            "dunning_steps.json", DunningStep.objects.filter(case__tenant=tenant), "case_id", "position", "kind",
            "status", "due_at", "done_at", "outcome",
        )  # fmt: skip
        yield exported_table(
            "dunning_pauses.json", DunningPause.objects.filter(tenant=tenant), "reason", "paused_at", "ended_at",
        )  # fmt: skip
