"""Renewal of what a web process remembers of keys, tenants, plans and meters: by a few queries for all that are in use.

A request on the event loop may not ask the database, so what it needs is renewed before it is too old. If this thread
is late or its queries fail, memories expire as they do without it, and requests read for themselves in a thread.
"""

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog
from django.db import Error, connection
from django.utils import timezone

from accounts.domain.reach import WayIn, way_in
from accounts.selectors.api_keys import renew_principals
from accounts.services.key_use import write_key_use
from metering.domain.limit_policy import EVENT_AHEAD_MAX
from metering.selectors.catalog import renew_catalog
from metering.selectors.limits import anchors_in_use, renew_tenant_limits
from metering.services.partitions import ensure_partitions_of

# Less than half of a memory's age: one turn may fail.
EVERY: Final = timedelta(milliseconds=300)
# What requests noted of keys is written every ten seconds or so.
TURNS_PER_WRITE: Final = 33

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
        turn = 0
        while not self._is_over.wait(EVERY.total_seconds()):
            turn += 1
            try:
                renew()
                if turn % TURNS_PER_WRITE == 0:
                    write_uses()
            except Error as error:
                log.warning("renewal_failed", error=type(error).__name__)
                connection.close()
        with suppress(Error):
            write_uses()
        connection.close()


def write_uses() -> None:
    """Write what requests noted of the use of keys."""
    with way_in(WayIn.SIGN_IN):
        write_key_use(as_of=timezone.now())


def renew() -> None:
    """Renew everything once. The months in which events may be now have their partitions afterwards."""
    now = timezone.now()
    with way_in(WayIn.SIGN_IN):
        renew_principals(now)
        as_of, anchors = anchors_in_use()
    with way_in(WayIn.INGEST):
        renew_catalog()
        ensure_partitions_of(days={now.date(), (now + EVENT_AHEAD_MAX).date()})
        renew_tenant_limits(as_of, anchors)
