"""One-table, chainable filters of the metering app."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models


class LedgerQuerySet(models.QuerySet[Any]):
    """Rows of a ledger table: every read names the tenant and which half of the ledger, live or test."""

    def of_ledger(self, tenant_id: UUID, *, is_live: bool) -> "LedgerQuerySet":
        """Return one tenant's live or test rows."""
        return self.filter(tenant_id=tenant_id, is_live=is_live)

    def occurred_within(self, start: datetime | None, end: datetime | None) -> "LedgerQuerySet":
        """Return rows with `start <= occurred_at < end`; None is no bound."""
        rows = self if start is None else self.filter(occurred_at__gte=start)
        return rows if end is None else rows.filter(occurred_at__lt=end)
