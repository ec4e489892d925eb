"""The parts of higher apps in a subscription's standing, called in the transaction that refreshes it.

`settings.STANDING_PARTS` names them, in the order in which they are called: an app with a part is one line there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from billing.models import Invoice, Subscription


class StandingPart(Protocol):
    """One app's part."""

    def follow(self, *, subscription: Subscription, owing: Sequence[Invoice], as_of: datetime) -> None:
        """Follow what is owed now: the invoices that are overdue or whose payment failed, the oldest first.

        The subscription is locked. Repeating the call changes nothing.
        """


def standing_parts() -> list[StandingPart]:
    """Return the parts of the composed application."""
    return [import_string(path)() for path in settings.STANDING_PARTS]
