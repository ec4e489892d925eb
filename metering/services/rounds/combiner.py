"""Combining on an event loop: while a round is under way the next requests queue up, and then are one round together.

So rounds are as large as the load is heavy, and a lone request waits for no other. An answer is given only after the
round's commit was read; a request whose round failed is answered None, and its caller does the work alone.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

import psycopg
import structlog
from psycopg.errors import LockNotAvailable, QueryCanceled

from accounts.database.line import Exchange, Line
from metering.domain.rounds import Outcome

REQUESTS_PER_ROUND_MAX: Final = 64
# How long a key goes alone after a request of its own has broken rounds, or held one up.
ALONE_SECONDS: Final = 10
KEYS_ALONE_MAX: Final = 10_000

log = structlog.get_logger("countinghouse.rounds")


class Combined(Protocol):
    """Work that a round does for one key."""

    @property
    def api_key_id(self) -> UUID: ...


Work = TypeVar("Work", bound=Combined)
Queued = tuple[Work, "asyncio.Future[Outcome | None]"]


class Combiner(Generic[Work]):
    """A queue of work, and the line on which its rounds run one after the other."""

    def __init__(self, line: Line, say: Callable[[Sequence[Work]], Exchange[list[Outcome | None]]]) -> None:
        self._line = line
        self._say = say
        self._queue: list[Queued[Work]] = []
        self._rounds: asyncio.Task[None] | None = None
        self._alone_until: dict[UUID, float] = {}

    def takes(self, api_key_id: UUID) -> bool:
        """Return whether the key's requests are combined with others now."""
        until = self._alone_until.get(api_key_id)
        return until is None or until < time.monotonic()

    def add(self, work: Work) -> "asyncio.Future[Outcome | None]":
        """Queue work. The future is its outcome, or None if it has to be done alone."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome | None] = loop.create_future()
        self._queue.append((work, answer))
        if self._rounds is None:
            self._rounds = loop.create_task(self._run())
        return answer

    async def close(self) -> None:
        """Finish the rounds under way, and hang up."""
        if self._rounds is not None:
            await self._rounds
        self._line.close()

    async def _run(self) -> None:
        try:
            while self._queue:
                queued, self._queue = self._queue[:REQUESTS_PER_ROUND_MAX], self._queue[REQUESTS_PER_ROUND_MAX:]
                try:
                    await self._run_round(queued)
                finally:
                    for _, answer in queued:
                        if not answer.done():
                            answer.set_result(None)
        finally:
            self._rounds = None
            # Only if a round raised: the queue is then led on by the next request, or answered by no round at all.
            for _, answer in self._queue:
                answer.set_result(None)
            self._queue = []

    async def _run_round(self, queued: Sequence[Queued[Work]]) -> None:
        """Run one round. Split it if one request breaks it, until that one is alone."""
        try:
            outcomes = await self._line.hold(self._say([work for work, _ in queued]))
        except psycopg.OperationalError as error:
            # The server is away, or a lock was not given: each waits by itself, and gets the 503.
            log.warning("round_failed", requests=len(queued), error=type(error).__name__)
            if isinstance(error, LockNotAvailable | QueryCanceled):
                self._send_alone(queued)
        except psycopg.Error as error:
            log.warning("round_broken", requests=len(queued), error=type(error).__name__)
            if len(queued) == 1:
                self._send_alone(queued)
                return
            half = len(queued) // 2
            await self._run_round(queued[:half])
            await self._run_round(queued[half:])
        else:
            for (_, answer), outcome in zip(queued, outcomes, strict=True):
                if not answer.done():  # the client has gone
                    answer.set_result(outcome)

    def _send_alone(self, queued: Sequence[Queued[Work]]) -> None:
        if len(self._alone_until) > KEYS_ALONE_MAX:
            self._alone_until = {}
        until = time.monotonic() + ALONE_SECONDS
        self._alone_until.update((work.api_key_id, until) for work, _ in queued)
