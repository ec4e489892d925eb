"""The alerts app's part of a tenant's data export."""

from collections.abc import Iterable

from accounts.models import Tenant
from accounts.services.privacy_parts import ExportPiece, PrivacyPart, exported_table
from metering.alerts.models import ThresholdAlert


class AlertsPrivacy(PrivacyPart):
    """The part that `settings.PRIVACY_PARTS` names."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the thresholds that were crossed."""
        yield exported_table(
            "alerts.json", ThresholdAlert.objects.filter(tenant=tenant), "id", "agreement_id", "quota_period",
            "period_start_on", "threshold", "limit", "quantity", "occurred_at", meter_code="meter__code",
        )  # fmt: skip
