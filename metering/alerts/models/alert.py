"""Alerts of all kinds, and the agreements under which they are raised."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from metering.alerts.domain.alerts import PERCENT_MAX, THRESHOLDS, AlertKind
from metering.alerts.domain.anomalies import Pattern
from metering.models import Meter, QuotaPeriod

__all__ = [
    "THRESHOLDS",
    "AcceptedAnomaly",
    "AlertKinds",
    "AnomalyAlert",
    "Patterns",
    "TenantAgreement",
    "ThresholdAlert",
]

_OF_QUOTA = Q(meter__isnull=False, period_start_on__isnull=False, limit__isnull=False) & ~Q(quota_period="")


class AlertKinds(models.TextChoices):
    """What was found. The contract names the values."""

    THRESHOLD = AlertKind.THRESHOLD.value, "Threshold of a quota"
    BUDGET = AlertKind.BUDGET.value, "Threshold of a budget"
    ANOMALY = AlertKind.ANOMALY.value, "Anomaly"
    FORECAST = AlertKind.FORECAST.value, "Predicted crossing"


class Patterns(models.TextChoices):
    """What is unusual in an anomaly."""

    SPIKE = Pattern.SPIKE.value, "Spike"
    RISE = Pattern.RISE.value, "Rise"
    DROP = Pattern.DROP.value, "Drop"
    SILENCE = Pattern.SILENCE.value, "Silence"


class TenantAgreement(models.Model):
    """The agreement under which a tenant is metered now. An app above sets it, and knows what the id refers to."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="metered_agreement")
    agreement_id = models.UUIDField()

    def __str__(self) -> str:
        return str(self.agreement_id)


class ThresholdAlert(models.Model):
    """Something about a tenant's usage that it is told once. `kind` says what, and which of the columns it has.

    A threshold belongs to a quota's period, and is either a percentage or a quantity. An anomaly belongs to a day,
    which `period_start_on` names, and to a meter or to one key's usage of it.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="threshold_alerts")
    kind = models.CharField(max_length=9, choices=AlertKinds.choices, default=AlertKinds.THRESHOLD)
    agreement_id = models.UUIDField(null=True, help_text="The tenant's subscription at that time.")
    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT, related_name="threshold_alerts")
    quota_period = models.CharField(max_length=7, choices=QuotaPeriod.choices, blank=True, default="")
    period_start_on = models.DateField(
        null=True, help_text="First day of the period, or the day of an anomaly, in the tenant's time zone."
    )
    threshold = models.PositiveSmallIntegerField(null=True, help_text="The threshold in percent of the limit.")
    threshold_quantity = models.DecimalField(
        max_digits=20, decimal_places=9, null=True, help_text="The threshold as a quantity, if it is no percentage."
    )
    limit = models.DecimalField(max_digits=20, decimal_places=9, null=True)
    quantity = models.DecimalField(max_digits=38, decimal_places=9, help_text="The usage when the alert was created.")
    currency = models.CharField(
        max_length=3, blank=True, default="", db_default="", help_text="ISO 4217, of a budget in money."
    )
    budget_id = models.UUIDField(null=True, help_text="The budget, which may have been deleted since.")
    subject = models.CharField(
        max_length=255, blank=True, default="", db_default="", help_text="The subject whose usage it is."
    )
    api_key_id = models.UUIDField(null=True, help_text="The key whose usage it is; empty: all usage of the tenant.")
    window_start_at = models.DateTimeField(null=True, help_text="Start of the hour of an anomaly.")
    expected = models.DecimalField(
        max_digits=38,
        decimal_places=9,
        null=True,
        help_text="What was expected instead of the quantity; of a budget, what the period will come to.",
    )
    pattern = models.CharField(max_length=7, choices=Patterns.choices, blank=True, db_default="")
    window_end_at = models.DateTimeField(null=True, help_text="End of the hours of an anomaly.")
    crosses_on = models.DateField(null=True, help_text="The day on which a limit is expected to be reached.")
    crosses_on_min = models.DateField(null=True, help_text="The first day of the interval of that day.")
    crosses_on_max = models.DateField(null=True, help_text="The last day of the interval of that day.")
    occurred_at = models.DateTimeField()

    class Meta:
        verbose_name = "alert"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "meter", "quota_period", "period_start_on", "threshold", "limit"],
                condition=Q(kind="threshold", threshold__isnull=False),
                name="threshold_alert_once",
            ),
            models.UniqueConstraint(
                fields=["tenant", "meter", "quota_period", "period_start_on", "threshold_quantity"],
                condition=Q(kind="threshold", threshold_quantity__isnull=False),
                name="threshold_alert_of_quantity_once",
            ),
            models.UniqueConstraint(
                fields=["budget_id", "period_start_on", "threshold", "limit"],
                condition=Q(kind="budget"),
                name="budget_alert_once",
            ),
            models.UniqueConstraint(
                fields=["tenant", "meter", "api_key_id", "period_start_on"],
                condition=Q(kind="anomaly"),
                nulls_distinct=False,
                name="anomaly_alert_once",
            ),
            models.UniqueConstraint(
                fields=["tenant", "meter", "quota_period", "period_start_on"],
                condition=Q(kind="forecast"),
                name="forecast_alert_once",
            ),
            models.CheckConstraint(condition=Q(kind__in=AlertKinds.values), name="alert_kind_known"),
            models.CheckConstraint(
                condition=Q(threshold=None) | Q(threshold__gte=1, threshold__lte=PERCENT_MAX),
                name="threshold_alert_known",
            ),
            models.CheckConstraint(
                condition=~Q(kind="threshold")
                | (_OF_QUOTA & (Q(threshold__isnull=False) ^ Q(threshold_quantity__isnull=False))),
                name="threshold_alert_whole",
            ),
            models.CheckConstraint(
                condition=~Q(kind="anomaly")
                | Q(
                    meter__isnull=False,
                    period_start_on__isnull=False,
                    window_start_at__isnull=False,
                    expected__isnull=False,
                ),
                name="anomaly_alert_whole",
            ),
            models.CheckConstraint(
                condition=~Q(kind="anomaly") | Q(pattern__in=Patterns.values, window_end_at__gt=F("window_start_at")),
                name="anomaly_alert_pattern_known",
            ),
            models.CheckConstraint(
                condition=~Q(kind="forecast")
                | Q(
                    crosses_on__isnull=False,
                    crosses_on_min__lte=F("crosses_on"),
                    crosses_on_max__gte=F("crosses_on"),
                ),
                name="forecast_alert_has_days",
            ),
            models.CheckConstraint(
                condition=~Q(kind="budget")
                | (
                    Q(
                        budget_id__isnull=False,
                        period_start_on__isnull=False,
                        threshold__isnull=False,
                        limit__isnull=False,
                    )
                    & ~Q(quota_period="")
                    & (Q(meter__isnull=True) ^ Q(currency=""))
                ),
                name="budget_alert_whole",
            ),
            models.CheckConstraint(condition=~Q(kind="forecast") | _OF_QUOTA, name="forecast_alert_whole"),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "-occurred_at"], name="threshold_alert_by_tenant")]
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return (
            f"{self.get_kind_display()}, {self.meter}"
            if self.threshold is None
            else f"{self.threshold} % of {self.meter}"
        )


class AnomalyAlert(ThresholdAlert):
    """An alert that is an anomaly, for the list of staff."""

    class Meta:
        proxy = True
        verbose_name = "anomaly"
        verbose_name_plural = "anomalies"


class AcceptedAnomaly(models.Model):
    """Someone called an anomaly fine: its level is expected of its meter, or key, for four weeks from then."""

    alert = models.OneToOneField(ThresholdAlert, primary_key=True, on_delete=models.PROTECT, related_name="accepted")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="accepted_anomalies")
    accepted_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["accepted_at"], name="accepted_anomaly_by_time")]
        verbose_name_plural = "accepted anomalies"

    def __str__(self) -> str:
        return f"{self.alert} is fine"
