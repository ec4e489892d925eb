"""What is told to others: threshold alerts, the outbox for webhooks, and mails, each exactly once."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from billing.domain.statuses import MailStatus
from billing.models.subscription import Subscription
from metering.models import Meter, QuotaPeriod

THRESHOLDS = (80, 95, 100)


class ThresholdAlert(models.Model):
    """A tenant's usage crossed a share of a quota. A new period, or another quota, arms it anew."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="threshold_alerts")
    subscription = models.ForeignKey(Subscription, null=True, on_delete=models.PROTECT, related_name="threshold_alerts")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="threshold_alerts")
    quota_period = models.CharField(max_length=5, choices=QuotaPeriod.choices)
    period_start_on = models.DateField(help_text="First day of the quota's period, in the tenant's time zone.")
    threshold = models.PositiveSmallIntegerField(help_text="Percent of the quota.")
    limit = models.DecimalField(max_digits=20, decimal_places=9)
    quantity = models.DecimalField(max_digits=38, decimal_places=9, help_text="Usage when it was found.")
    occurred_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "meter", "quota_period", "period_start_on", "threshold", "limit"],
                name="threshold_alert_once",
            ),
            models.CheckConstraint(condition=Q(threshold__in=THRESHOLDS), name="threshold_alert_known"),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "-occurred_at"], name="threshold_alert_by_tenant")]
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.threshold} % of {self.meter}"


class OutboxEvent(models.Model):
    """Something that happened, in the words of the contract's webhooks, written in the transaction in which it did."""

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="outbox_events")
    type = models.CharField(max_length=60)
    payload = models.JSONField()
    dedupe_key = models.CharField(max_length=200, unique=True)
    occurred_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class OutboundMail(models.Model):
    """A mail to be sent once. It is claimed before it is sent; one that was cut off meanwhile may have gone out, and stays `unknown`."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="outbound_mails")
    kind = models.CharField(max_length=40)
    dedupe_key = models.CharField(max_length=200, unique=True)
    recipients = ArrayField(models.EmailField())
    subject = models.CharField(max_length=300)
    text = models.TextField()
    html = models.TextField()
    attachment_number = models.CharField(
        max_length=40, blank=True, help_text="Number of the document that goes with it."
    )
    status = models.CharField(
        max_length=7,
        choices=[(status.value, status.value.capitalize()) for status in MailStatus],
        default=MailStatus.QUEUED.value,
    )
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=list(MailStatus)), name="outbound_mail_status_known"),
            models.CheckConstraint(
                condition=~Q(status=MailStatus.SENT) | Q(sent_at__isnull=False), name="outbound_mail_sent_has_time"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(status=MailStatus.QUEUED), name="outbound_mail_due")
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.kind} to {', '.join(self.recipients)}"
