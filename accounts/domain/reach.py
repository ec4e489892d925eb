"""The reach of the current statements: whose rows they may see under row-level security (decision 0017).

By default they reach nothing. A request reaches one tenant, and the few that must reach further use a named way in.
Only the outermost layer opens a way in: middleware, views, commands and the task cluster.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar
from uuid import UUID

Piece = TypeVar("Piece")


class WayIn(StrEnum):
    """Ways to reach rows without naming a tenant. Each policy of a table lists the ways that it allows."""

    NONE = ""
    SIGN_IN = "sign_in"  # finds the owner of a key, a session or an invitation
    INGEST = "ingest"  # adds to the ledger of any tenant, and reads no event
    PROVIDER = "provider"  # stores what a payment provider delivers
    ERASURE = "erasure"  # erases a person, whatever tenants they belong to
    STAFF = "staff"
    JOBS = "jobs"  # the task cluster, commands and migrations


@dataclass(frozen=True, slots=True)
class Reach:
    """One tenant, or what a way in opens, or nothing."""

    tenant_id: UUID | None = None
    way_in: WayIn = WayIn.NONE


NOTHING: Final = Reach()
_BY_WAY: Final = MappingProxyType({way: Reach(way_in=way) for way in WayIn})
# These reach everything of a tenant anyway.
_WIDE: Final = frozenset({WayIn.STAFF, WayIn.JOBS, WayIn.ERASURE})

_of_process: list[Reach] = [NOTHING]
_now: ContextVar[Reach | None] = ContextVar("countinghouse_reach", default=None)


def current_reach() -> Reach:
    """Return the reach of the current statements."""
    return _now.get() or _of_process[0]


class _Reaching(AbstractContextManager[None]):
    """A block with a reach of its own. Each request enters some, so this is no generator."""

    __slots__ = ("_before", "_reach")

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._before: Token[Reach | None] | None = None

    def __enter__(self) -> None:
        self._before = _now.set(self._reach)

    def __exit__(self, *_error: object) -> None:
        assert self._before is not None, "a block is entered before it is left"
        _now.reset(self._before)


def reaching(reach: Reach) -> AbstractContextManager[None]:
    """Use exactly this reach in the block, and restore the one before afterwards. Each block enters it once."""
    return _Reaching(reach)


def way_in(way: WayIn) -> AbstractContextManager[None]:
    """Open a way in. Only the outermost layer may do so."""
    return reaching(_BY_WAY[way])


def reach_from_now_on(reach: Reach) -> None:
    """Set the reach until the caller's enclosing block ends. The middleware of a request ends it."""
    _now.set(reach)


def let_process_reach(way: WayIn) -> None:
    """Set the default way in of every thread of this process, for a command."""
    _of_process[0] = _BY_WAY[way]


def keeping_reach(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the parts of a stream, each made with the reach of now: a stream outlives its request's block."""
    return _made_with(current_reach(), iter(pieces))


def _made_with(reach: Reach, pieces: Iterator[Piece]) -> Iterator[Piece]:
    while True:
        with reaching(reach):
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece


def also_by(way: WayIn) -> AbstractContextManager[None]:
    """Open a narrow way in beside the current tenant, for external calls and the outermost layer."""
    now = current_reach()
    return reaching(now if now.way_in in _WIDE else Reach(now.tenant_id, way))


def within_tenant(tenant_id: UUID) -> AbstractContextManager[None]:
    """Narrow the reach to one tenant, out of a way in that reaches less of it. Any layer may do so.

    Staff and jobs keep their reach. Raises AssertionError if another tenant is reached, or nothing.
    """
    now = current_reach()
    if now.way_in in _WIDE:
        return reaching(now)
    assert now.tenant_id == tenant_id or now.way_in, f"nothing of tenant {tenant_id} is reached"
    return reaching(Reach(tenant_id=tenant_id))
