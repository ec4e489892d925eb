"""The records of months whose raw events were deleted: which, when, and what the rollups were.

The tables are created by SQL (`metering/migrations/retention.sql`), are append-only, and are kept for ever.
"""

from typing import ClassVar, Final

from django.db import models

from metering.models.ledger import LedgerRow

# Means that nothing changes any more.
FOR_GOOD: Final = "9999-12-31 00:00:00+00"


class MonthStep(models.TextChoices):
    """The steps of a month whose term is over, in this order."""

    CLOSED = "closed", "Closed: nothing is added to it or voided"
    SEALED = "sealed", "Sealed: the rollups are the evidence"
    DELETED = "deleted", "Deleted: the raw events are gone"


class EventMonth(models.Model):
    """A step of a month. `events` and `voids` are the numbers sealed, and deleted, of all tenants."""

    month = models.DateField(help_text="The first day of the month, in UTC.")
    step = models.CharField(max_length=7, choices=MonthStep)
    at = models.DateTimeField()
    events = models.BigIntegerField(default=0)
    voids = models.BigIntegerField(default=0)

    class Meta:
        managed = False
        db_table = "event_month"
        ordering: ClassVar = ["-month", "-at"]
        verbose_name = "month of raw events"
        verbose_name_plural = "months of raw events"

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.step}"


class SealedLedger(LedgerRow):
    """One tenant's live or test half of a sealed month.

    Local days that the month's end cuts through are sealed until `days_since`, the start of `days_from`.
    """

    pk = models.CompositePrimaryKey("tenant_id", "is_live", "month")
    month = models.DateField()
    sealed_at = models.DateTimeField()
    events = models.BigIntegerField()
    voids = models.BigIntegerField()
    days_from = models.DateField()
    days_since = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "sealed_ledger"

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.month:%Y-%m}"


class SealedRollup(LedgerRow):
    """The rollups of a meter in a sealed month, with digests of their rows."""

    pk = models.CompositePrimaryKey("tenant_id", "is_live", "month", "meter_id")
    month = models.DateField()
    meter_id = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=65, decimal_places=30)
    events = models.BigIntegerField()
    hours_digest = models.CharField(max_length=64)
    days_digest = models.CharField(max_length=64)

    class Meta:
        managed = False
        db_table = "sealed_rollup"

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.month:%Y-%m} {self.meter_id}"


class SealedUsage(LedgerRow):
    """The usage of the raw events in an invoiced span, as known at a moment; null means finally."""

    pk = models.CompositePrimaryKey("tenant_id", "is_live", "meter_id", "start_at", "end_at", "known_at", "voids_at")
    meter_id = models.BigIntegerField()
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    known_at = models.DateTimeField()
    voids_at = models.DateTimeField()
    quantity = models.DecimalField(max_digits=65, decimal_places=30)
    events = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "sealed_usage"

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.meter_id} from {self.start_at:%Y-%m-%d}"
