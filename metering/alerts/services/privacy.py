"""The alerts app's part of a tenant's data export."""

from collections.abc import Iterable

from accounts.models import Tenant
from accounts.services.privacy_parts import ExportPiece, PrivacyPart, exported_table
from metering.alerts.models import OwnThreshold, ThresholdAlert


class AlertsPrivacy(PrivacyPart):
    """The part that `settings.PRIVACY_PARTS` names."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return all alerts, and the thresholds that the tenant has set."""
        yield exported_table(
            "alert_thresholds.json", OwnThreshold.objects.filter(tenant=tenant), "id", "quota_period", "threshold",
            "threshold_quantity", "created_at", meter_code="meter__code",
        )  # fmt: skip
        yield exported_table(
            "alerts.json", ThresholdAlert.objects.filter(tenant=tenant), "id", "kind", "agreement_id", "quota_period",
            "period_start_on", "threshold", "threshold_quantity", "limit", "quantity", "api_key_id", "window_start_at",
            "currency", "budget_id", "subject",
            "window_end_at", "pattern", "expected", "crosses_on", "crosses_on_min", "crosses_on_max", "occurred_at",
            accepted_at="accepted__accepted_at", meter_code="meter__code",
        )  # fmt: skip
