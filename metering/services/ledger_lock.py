"""The advisory lock that keeps a rebuild and ingest apart.

Ingest takes it shared within its one statement. A caller that takes it exclusively and then, *in a later statement*,
sums the ledger up sees every event that ingest has counted, and none that ingest will count later.
"""

from django.db import connection

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger


def lock_ledger(ledger: Ledger) -> None:
    """Lock this half of the tenant's ledger: wait for running ingest, and block new until the transaction ends."""
    assert connection.in_atomic_block, "an advisory lock outside of a transaction would be released at once"
    fetch_all("SELECT pg_advisory_xact_lock(%(lock_key)s)", {"lock_key": ledger.lock_key})


def share_ledger(ledger: Ledger) -> None:
    """Keep this half of the ledger from being summed up until the transaction ends. Ingest goes on."""
    assert connection.in_atomic_block, "an advisory lock outside of a transaction would be released at once"
    fetch_all("SELECT pg_advisory_xact_lock_shared(%(lock_key)s)", {"lock_key": ledger.lock_key})
