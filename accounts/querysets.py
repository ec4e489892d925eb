"""One-table, chainable filters of the accounts app."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q


class ApiKeyQuerySet(models.QuerySet[Any]):
    """API keys and service keys."""

    def of_tenant(self, tenant_id: UUID) -> "ApiKeyQuerySet":
        """Filter to the tenant's own keys; service keys belong to no tenant."""
        return self.filter(tenant_id=tenant_id)

    def usable_at(self, as_of: datetime) -> "ApiKeyQuerySet":
        """Filter to keys that are neither revoked nor expired at the instant."""
        return self.filter(Q(revoked_at=None) | Q(revoked_at__gt=as_of)).filter(
            Q(expires_at=None) | Q(expires_at__gt=as_of)
        )


class InvitationQuerySet(models.QuerySet[Any]):
    """Invitations to join a tenant."""

    def open_at(self, as_of: datetime) -> "InvitationQuerySet":
        """Filter to invitations that are not accepted, revoked or expired."""
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=as_of)
