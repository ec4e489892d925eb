"""Halves of the ledger of which the store of limits has missed events."""

from typing import ClassVar

from django.db import models


class UncountedLedger(models.Model):
    """Since then the store of limits did not respond, and events were stored that its counters miss.

    The row is removed when the counters are summed up again.
    """

    tenant_id = models.UUIDField()
    is_live = models.BooleanField()
    since_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant_id", "is_live"], name="uncounted_ledger_once"),
        ]

    def __str__(self) -> str:
        return f"{self.tenant_id} since {self.since_at:%Y-%m-%d %H:%M}"
