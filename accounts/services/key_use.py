"""The use of each key, without a write per request: what this process saw is written at most once a minute for a key.

A request only adds to what waits in memory: the key's addresses, and what was refused. It is written with the next
update of a `last_used_at`, and every few seconds by the web server's renewal. A process that dies loses what waited, so
these are records for people; nothing is billed or limited by them.
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.domain.short_memory import ShortMemory
from accounts.sql import as_json, fetch_all

NOTED_EVERY: Final = timedelta(minutes=1)
ADDRESSES_MAX: Final = 100
# What waits in one process; what comes on top before the next write is not recorded.
WAITING_MAX: Final = 1000
# By key and address: the first use and the last, in the order in which threads noted them. By key, day and code: how
# many, and the last.
Addresses = dict[tuple[UUID, str], list[datetime]]
Refusals = dict[tuple[UUID, str, str], tuple[int, datetime]]
_noted: ShortMemory[UUID, bool] = ShortMemory(NOTED_EVERY)

# One statement. Rows are written in one order by every process, so that none waits for another in a circle. Of a key
# that was deleted meanwhile, nothing is written.
WRITE: Final = """
WITH used AS (
    UPDATE accounts_apikey SET last_used_at = %(as_of)s::timestamptz
    WHERE id = %(key_id)s::uuid
        AND (last_used_at IS NULL OR last_used_at <= %(as_of)s::timestamptz - %(noted_every)s::interval)
),
seen AS MATERIALIZED (
    SELECT k.id AS api_key_id, k.tenant_id, s.address::inet AS address, s.first_at, s.last_at
    FROM jsonb_to_recordset(%(addresses)s::jsonb)
        AS s(api_key_id uuid, address text, first_at timestamptz, last_at timestamptz)
    JOIN accounts_apikey AS k ON k.id = s.api_key_id
),
kept AS (
    INSERT INTO accounts_keyaddress AS a (api_key_id, tenant_id, address, first_used_at, last_used_at)
    SELECT api_key_id, tenant_id, address, first_at, last_at FROM seen ORDER BY api_key_id, address
    ON CONFLICT (api_key_id, address) DO UPDATE SET last_used_at = greatest(a.last_used_at, excluded.last_used_at),
        first_used_at = least(a.first_used_at, excluded.first_used_at)
),
refused AS (
    INSERT INTO accounts_keyrefusal AS r (api_key_id, tenant_id, day, code, requests, last_at)
    SELECT k.id, k.tenant_id, s.day, s.code, s.requests, s.last_at
    FROM jsonb_to_recordset(%(refusals)s::jsonb)
        AS s(api_key_id uuid, day date, code text, requests bigint, last_at timestamptz)
    JOIN accounts_apikey AS k ON k.id = s.api_key_id
    ORDER BY k.id, s.day, s.code
    ON CONFLICT (api_key_id, day, code) DO UPDATE
        SET requests = r.requests + excluded.requests, last_at = greatest(r.last_at, excluded.last_at)
),
surplus AS (
    SELECT a.id FROM (
        SELECT id, api_key_id, address, row_number() OVER (PARTITION BY api_key_id ORDER BY last_used_at DESC, id DESC)
            AS place
        FROM accounts_keyaddress WHERE api_key_id IN (SELECT api_key_id FROM seen)
    ) AS a
    WHERE a.place > %(addresses_max)s
        AND NOT EXISTS (SELECT FROM seen WHERE seen.api_key_id = a.api_key_id AND seen.address = a.address)
)
DELETE FROM accounts_keyaddress WHERE id IN (SELECT id FROM surplus)
"""


class _Waiting:
    """What this process has not written yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._addresses: Addresses = {}
        self._refusals: Refusals = {}

    def add_address(self, key_id: UUID, address: str, as_of: datetime) -> None:
        """Store that the key was used from the address: one look-up, for every request."""
        span = self._addresses.get((key_id, address))
        if span is not None:
            span[1] = as_of
        elif address and len(self._addresses) < WAITING_MAX:
            self._addresses[key_id, address] = [as_of, as_of]

    def add_refusal(self, key_id: UUID, code: str, as_of: datetime) -> None:
        """Count a refused request."""
        place = (key_id, as_of.astimezone(UTC).date().isoformat(), code)
        with self._lock:
            if place in self._refusals or len(self._refusals) < WAITING_MAX:
                self._refusals[place] = (self._refusals.get(place, (0, as_of))[0] + 1, as_of)

    def take(self) -> tuple[Addresses, Refusals]:
        """Return what waits, and begin again."""
        with self._lock:
            taken = self._addresses, self._refusals
            self._addresses, self._refusals = {}, {}
        return taken

    def give_back(self, addresses: Addresses, refusals: Refusals) -> None:
        """Keep what could not be written."""
        with self._lock:
            for used, span in addresses.items():
                newer = self._addresses.get(used, span)
                self._addresses[used] = [min(*span, *newer), max(*span, *newer)]
            for place, (requests, last_at) in refusals.items():
                more, newer_at = self._refusals.get(place, (0, last_at))
                self._refusals[place] = (requests + more, max(last_at, newer_at))

    @property
    def is_empty(self) -> bool:
        """Return whether nothing waits."""
        return not self._addresses and not self._refusals


_waiting: Final = _Waiting()


def note_key_use(*, key_id: UUID, address: str, as_of: datetime) -> None:
    """Record a use in memory. If the key's `last_used_at` is a minute old, write it, and all that waits."""
    _waiting.add_address(key_id, address, as_of)
    if _noted.recall(key_id, as_of):
        return
    _write(key_id, as_of)
    _noted.keep(key_id, value=True, as_of=as_of)


def note_refusal(*, key_id: UUID, code: str, as_of: datetime) -> None:
    """Record in memory that a request with the key was refused; `code` is that of the problem."""
    _waiting.add_refusal(key_id, code, as_of)


def write_key_use(*, as_of: datetime) -> None:
    """Write what waits in this process, if anything does."""
    if not _waiting.is_empty:
        _write(None, as_of)


def _write(key_id: UUID | None, as_of: datetime) -> None:
    """Write what waits. If that fails, or may not be done here, as on the event loop, it waits on."""
    addresses, refusals = _waiting.take()
    is_written = False
    try:
        fetch_all(
            WRITE,
            {
                "key_id": key_id,
                "as_of": as_of,
                "noted_every": NOTED_EVERY,
                "addresses": as_json(
                    [
                        {"api_key_id": used_key, "address": address, "first_at": min(span), "last_at": max(span)}
                        for (used_key, address), span in addresses.items()
                    ]
                ),
                "refusals": as_json(
                    [
                        {"api_key_id": used_key, "day": day, "code": code, "requests": requests, "last_at": last_at}
                        for (used_key, day, code), (requests, last_at) in refusals.items()
                    ]
                ),
                "addresses_max": ADDRESSES_MAX,
            },
        )
        is_written = True
    finally:
        if not is_written:
            _waiting.give_back(addresses, refusals)
