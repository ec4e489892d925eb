"""Renewal of what a web process remembers of keys, tenants, plans and meters: by a few queries for all that are in use.

A request on the event loop may not ask the database, so what it needs is renewed before it is too old. If this thread
is late or its queries fail, memories expire as they do without it, and requests read for themselves in a thread.
"""

import threading
from datetime import timedelta
from typing import Final

import structlog
from django.db import Error, connection
from django.utils import timezone

from accounts.domain.reach import WayIn, way_in
from accounts.selectors.api_keys import renew_principals
from metering.selectors.catalog import renew_catalog
from metering.selectors.limits import renew_tenant_limits

# Less than half of a memory's age: one turn may fail.
EVERY: Final = timedelta(milliseconds=300)

log = structlog.get_logger("countinghouse.renewal")


class Renewal:
    """A thread that renews until it is stopped."""

    def __init__(self) -> None:
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current turn."""
        self._is_over.set()
        self._thread.join(EVERY.total_seconds())

    def _run(self) -> None:
        while not self._is_over.wait(EVERY.total_seconds()):
            try:
                renew()
            except Error as error:
                log.warning("renewal_failed", error=type(error).__name__)
                connection.close()
        connection.close()


def renew() -> None:
    """Renew everything once."""
    with way_in(WayIn.SIGN_IN):
        renew_principals(timezone.now())
    with way_in(WayIn.INGEST):
        renew_catalog()
        renew_tenant_limits()
