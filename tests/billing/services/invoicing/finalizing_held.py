"""A finalization that has computed its drafts and waits for their numbers, while something else begins."""

import threading
from collections.abc import Callable
from datetime import datetime

import psycopg
from django.db import connection, transaction

from billing.models import Issuer
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.finalizing import finalize_batch
from billing.services.invoicing.numbering import take_numbers
from metering.domain.periods import local_day
from tests.databases import owner_url
from tests.faults.durable import await_that

WAITING = """
SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND datname = current_database()
"""
FINALIZED, WORKED = "finalized", "worked"


def while_finalizing(as_of: datetime, work: Callable[[], object], *, looks: Callable[[], object] = bool) -> list[str]:
    """Start `work` while drafts are being finalized that were computed before, and return who ended first.

    `looks` runs in between, without any lock.
    """
    ends: list[str] = []
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as observer:

        def waits(number: int) -> bool:
            return observer.execute(WAITING).fetchone() == (number,)

        with transaction.atomic():
            issuer = Issuer.objects.get(pk=1)
            issued_on = local_day(as_of, issuer.time_zone)
            take_numbers(prefix=issuer.invoice_prefix, issued_on=issued_on, count=1)
            finalizing = _begin(lambda: finalize_batch(as_of=as_of, due=Due()), FINALIZED, ends)
            await_that(lambda: waits(1))
            looks()
            working = _begin(work, WORKED, ends)
            await_that(lambda: waits(2))
            transaction.set_rollback(True)
    for thread in (finalizing, working):
        thread.join(timeout=60)
    return ends


def _begin(work: Callable[[], object], name: str, ends: list[str]) -> threading.Thread:
    """Start it on a connection of its own."""

    def run() -> None:
        try:
            work()
            ends.append(name)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
