"""The ledger and its rollups. The first migration creates their tables by SQL, not by Django.

One schema must run on plain PostgreSQL and on Citus: the tenant comes first in every key, there is no foreign key to
the control plane, and there are no triggers. `tests/metering/test_ledger_schema.py` checks this by the catalog.
"""

from django.db import models

from metering.querysets import LedgerQuerySet


class LedgerRow(models.Model):
    """The columns that all ledger tables begin with: the tenant, then whether the row is live or a test."""

    tenant_id = models.UUIDField()
    is_live = models.BooleanField()

    objects = LedgerQuerySet.as_manager()

    class Meta:
        abstract = True


class Event(LedgerRow):
    """One immutable report of usage, in the partition of the month in which it occurred."""

    pk = models.CompositePrimaryKey("tenant_id", "is_live", "occurred_at", "key")
    occurred_at = models.DateTimeField()
    key = models.BinaryField()
    event_id = models.TextField(db_column="id")
    source = models.TextField()
    type = models.TextField()
    quantity = models.DecimalField(max_digits=29, decimal_places=9)
    subject = models.TextField(null=True)  # noqa: DJ001 - absent and empty differ in what the client sent
    api_key_id = models.UUIDField(null=True)
    properties = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "event"

    def __str__(self) -> str:
        return self.event_id


class EventIdentity(LedgerRow):
    """The permanent claim of an id: which event has it, and a digest of its content."""

    pk = models.CompositePrimaryKey("tenant_id", "is_live", "key")
    key = models.BinaryField()
    occurred_at = models.DateTimeField()
    content_hash = models.BinaryField()

    class Meta:
        managed = False
        db_table = "event_identity"
        verbose_name_plural = "event identities"

    def __str__(self) -> str:
        return bytes(self.key).hex()


class EventVoid(LedgerRow):
    """A later row that cancels an event, and names the event that replaces it, if one does."""

    pk = models.CompositePrimaryKey("tenant_id", "is_live", "key")
    key = models.BinaryField()
    occurred_at = models.DateTimeField()
    reason = models.TextField()
    voided_by = models.TextField()
    voided_at = models.DateTimeField()
    replaced_by = models.TextField(null=True)  # noqa: DJ001 - null: nothing replaces the event
    replaced_by_key = models.BinaryField(null=True)

    class Meta:
        managed = False
        db_table = "event_void"

    def __str__(self) -> str:
        return self.reason


class UsageHour(LedgerRow):
    """A meter's usage in a UTC hour. `slot` spreads a busy tenant over rows; reads sum the slots."""

    pk = models.CompositePrimaryKey("tenant_id", "is_live", "meter_id", "hour", "slot")
    meter_id = models.BigIntegerField()
    hour = models.DateTimeField()
    slot = models.SmallIntegerField()
    quantity = models.DecimalField(max_digits=65, decimal_places=30)
    events = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "usage_hour"

    def __str__(self) -> str:
        return f"{self.meter_id} {self.hour}"


class UsageDay(LedgerRow):
    """A meter's usage on a day of the tenant's time zone, by key and by the meter's dimensions."""

    pk = models.CompositePrimaryKey("tenant_id", "is_live", "meter_id", "day", "api_key_id", "dimension_key", "slot")
    meter_id = models.BigIntegerField()
    day = models.DateField()
    api_key_id = models.UUIDField()
    dimension_key = models.BinaryField()
    slot = models.SmallIntegerField()
    dimensions = models.JSONField()
    quantity = models.DecimalField(max_digits=65, decimal_places=30)
    events = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "usage_day"

    def __str__(self) -> str:
        return f"{self.meter_id} {self.day}"
