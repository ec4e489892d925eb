"""Whose rows the statements of this moment reach: what row-level security asks of each of them (decision 0017).

Nothing, unless it is said: a request reaches one tenant, and the few that have to reach further come in by a named way.
Ways in are opened by the outermost layer alone: by middleware, views, commands and the task cluster.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar
from uuid import UUID

Piece = TypeVar("Piece")


class WayIn(StrEnum):
    """What may be reached without naming a tenant; each policy of a table lists the ways that it lets in."""

    NONE = ""
    SIGN_IN = "sign_in"  # who a key, a session or an invitation belongs to
    INGEST = "ingest"  # adds to the ledger of any tenant, and reads no event
    PROVIDER = "provider"  # stores what a payment provider delivers
    ERASURE = "erasure"  # a person, whatever tenants they belong to
    STAFF = "staff"
    JOBS = "jobs"  # the task cluster, commands and migrations


@dataclass(frozen=True, slots=True)
class Reach:
    """One tenant, or what a way in opens, or nothing."""

    tenant_id: UUID | None = None
    way_in: WayIn = WayIn.NONE


NOTHING: Final = Reach()
_BY_WAY: Final = MappingProxyType({way: Reach(way_in=way) for way in WayIn})
# By these everything of a tenant is reached anyway.
_WIDE: Final = frozenset({WayIn.STAFF, WayIn.JOBS, WayIn.ERASURE})

_of_process: list[Reach] = [NOTHING]
_now: ContextVar[Reach | None] = ContextVar("countinghouse_reach", default=None)


def current_reach() -> Reach:
    """Return whose rows a statement of this moment reaches."""
    return _now.get() or _of_process[0]


@contextmanager
def reaching(reach: Reach) -> Iterator[None]:
    """Reach exactly this, and afterwards what was reached before."""
    before = _now.set(reach)
    try:
        yield
    finally:
        _now.reset(before)


def way_in(way: WayIn) -> AbstractContextManager[None]:
    """Open a way in; for the outermost layer alone."""
    return reaching(_BY_WAY[way])


def reach_from_now_on(reach: Reach) -> None:
    """Reach this until what encloses the caller ends: once a request has told whose it is, its middleware ends it."""
    _now.set(reach)


def let_process_reach(way: WayIn) -> None:
    """Let every thread of this process come in by this way, where nothing else is said: for a command's process."""
    _of_process[0] = _BY_WAY[way]


def keeping_reach(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Return what is streamed, each piece made with the reach of now: a stream outlives its request's block."""
    return _made_with(current_reach(), iter(pieces))


def _made_with(reach: Reach, pieces: Iterator[Piece]) -> Iterator[Piece]:
    while True:
        with reaching(reach):
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece


def also_by(way: WayIn) -> AbstractContextManager[None]:
    """Open a narrow way in beside the tenant that is reached; for what leaves the house, and the outermost layer."""
    now = current_reach()
    return reaching(now if now.way_in in _WIDE else Reach(now.tenant_id, way))


def within_tenant(tenant_id: UUID) -> AbstractContextManager[None]:
    """Reach one tenant out of a way in that reaches less of it; any layer may narrow so.

    Staff and jobs stay as they are. Raises AssertionError where another tenant is reached, or nothing.
    """
    now = current_reach()
    if now.way_in in _WIDE:
        return reaching(now)
    assert now.tenant_id == tenant_id or now.way_in, f"nothing of tenant {tenant_id} is reached"
    return reaching(Reach(tenant_id=tenant_id))
