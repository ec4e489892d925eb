"""The advisory lock by which a rebuild and running ingest keep out of each other's way.

Ingest takes it shared within its one statement. Whoever takes it exclusively and then, *in a later statement*, sums the
ledger up sees every event that ingest has counted, and none that ingest will yet count.
"""

from django.db import connection

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger


def lock_ledger(ledger: Ledger) -> None:
    """Wait for running ingest of this half of the tenant's ledger, and hold back new until the transaction ends."""
    assert connection.in_atomic_block, "an advisory lock outside of a transaction would be released at once"
    fetch_all("SELECT pg_advisory_xact_lock(%(lock_key)s)", {"lock_key": ledger.lock_key})
