"""The parts of higher apps in a tenant, called in the transaction that opens or changes it.

`settings.TENANT_PARTS` names them, in the order in which they are called: an app with a part is one line there.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from accounts.domain.actor import Actor
from accounts.models import Tenant


class TenantPart(Protocol):
    """One app's part of a tenant."""

    def open(self, *, tenant: Tenant, actor: Actor, as_of: datetime) -> None:
        """Create what a new tenant begins with."""

    def follow(self, *, tenant: Tenant, changed: Collection[str], as_of: datetime) -> None:
        """Apply the settings or the status that have `changed`. The tenant has the new values."""


def tenant_parts() -> list[TenantPart]:
    """Return the parts of the composed application."""
    return [import_string(path)() for path in settings.TENANT_PARTS]
