"""The sender: claims endpoints, sends what is due to them at the same time, and records what came of it.

One event loop sends; one thread speaks with the database, so that a sender needs one connection. Endpoints are leased
before anything is sent and released by the record of it: if the sender is killed in between, its lease ends, and
another sender sends the same messages again with the same ids. Nothing is sent inside of a transaction.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final, ParamSpec, TypeVar

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import Error, connection

from accounts.at_rest import ENDPOINT_SECRET, unseal_text
from accounts.domain.job_report import JobReport
from accounts.gateways.outbound import Outbound, Reply
from accounts.models import JobRun
from accounts.services.jobs import run_job
from accounts.webhooks.domain.schedule import SLOW_MILLISECONDS, AttemptOutcome, read_retry_after
from accounts.webhooks.domain.signing import message_body, signed_headers
from accounts.webhooks.services.claiming import ClaimedEndpoint, DueDelivery, claim_endpoints
from accounts.webhooks.services.queueing import EVENTS_AT_ONCE, queue_deliveries
from accounts.webhooks.services.recording import MadeAttempt, Recorded, ServedEndpoint, record_attempts

WEBHOOKS_JOB: Final = "webhooks"
# Endpoints that are served at the same time, each with a few deliveries; those that are slow or failing apart.
ENDPOINTS_AT_ONCE: Final = 100
SUSPECTS_AT_ONCE: Final = 100
SLOW_AT_ONCE_MAX: Final = 500
RECORDED_AT_ONCE: Final = 100
POLL_MILLISECONDS: Final = 500
GATHER_MILLISECONDS: Final = 20
RETRIES_OF_RECORD: Final = 3
_KEY_LOST: Final = "The endpoint's secret cannot be read: rotate it."

Clock = Callable[[], datetime]
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lane:
    """Endpoints of one kind that are served apart from the others."""

    is_suspect: bool
    places: int
    served: int = 0


class Sender:
    """Sends webhooks until it is told to stop. Any number may run at once, on any number of machines."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        """Set the way out and the clock; `run` begins."""
        self._outbound = outbound
        self._clock = clock
        self._database = ThreadPoolExecutor(1, thread_name_prefix="webhooks")
        self._lanes = (
            _Lane(is_suspect=False, places=ENDPOINTS_AT_ONCE),
            _Lane(is_suspect=True, places=SUSPECTS_AT_ONCE),
        )
        self._served: asyncio.Queue[ServedEndpoint] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unrecorded = 0
        self._woken: asyncio.Future[None] | None = None
        self.recorded = Recorded()

    async def run(self, is_over: Callable[[], bool], *, stops_when_idle: bool = False) -> None:
        """Send what is due until `is_over`, then finish what was begun."""
        recorder = asyncio.create_task(self._record())
        try:
            while not is_over() and not recorder.done():
                is_busy = await self._claim_if_possible()
                if stops_when_idle and not is_busy and not self._unrecorded:
                    break
                await self._pause(is_busy=is_busy)
            await asyncio.gather(*self._tasks)
            while self._unrecorded and not recorder.done():
                await asyncio.sleep(GATHER_MILLISECONDS / 1000)
            if recorder.done():
                await recorder  # its mistake is ours
        finally:
            recorder.cancel()
            await asyncio.gather(recorder, return_exceptions=True)
            await self._in_database(_close_connection)
            self._database.shutdown()

    async def _claim_if_possible(self) -> bool:
        """Claim; without a database there is nothing to do for now."""
        try:
            return await self._claim()
        except Error:
            logger.exception("webhooks cannot be claimed")
            return False

    async def _claim(self) -> bool:
        """Queue new events and claim endpoints for the free places. Return whether there may be more work at once."""
        taken = await self._in_database(queue_deliveries, as_of=self._clock())
        is_busy = taken == EVENTS_AT_ONCE
        for lane in self._lanes:
            free = lane.places - lane.served
            if free < lane.places // 4:
                continue
            claimed = await self._in_database(
                claim_endpoints, limit=free, is_suspect=lane.is_suspect, as_of=self._clock()
            )
            for endpoint in claimed:
                lane.served += 1
                self._unrecorded += 1
                task = asyncio.create_task(self._serve(endpoint, lane))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            is_busy = is_busy or bool(claimed)
        return is_busy

    async def _pause(self, *, is_busy: bool) -> None:
        """Wait for a moment; if nothing was due, for longer, or until a place is free."""
        self._woken = asyncio.get_running_loop().create_future()
        await asyncio.sleep(GATHER_MILLISECONDS / 1000)
        if not is_busy:
            await asyncio.wait({self._woken}, timeout=POLL_MILLISECONDS / 1000)

    def _wake(self) -> None:
        """End a wait for work."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _serve(self, endpoint: ClaimedEndpoint, lane: _Lane) -> None:
        """Send the endpoint's deliveries at the same time, and pass on what came of them.

        One that does not respond soon gives its place to another endpoint, and ends among the slow ones.
        """
        try:
            sending = asyncio.gather(*self._attempts(endpoint))
            await asyncio.wait({sending}, timeout=SLOW_MILLISECONDS / 1000)
            if not sending.done():
                lane = self._moved(lane)
            self._served.put_nowait(ServedEndpoint(endpoint, await sending))
        finally:
            lane.served -= 1
            self._wake()

    def _moved(self, lane: _Lane) -> _Lane:
        """Return the lane in which a slow endpoint goes on. There is room for as many as files may be open."""
        *_, suspects = self._lanes
        if suspects.served >= SLOW_AT_ONCE_MAX:
            return lane
        lane.served -= 1
        suspects.served += 1
        self._wake()
        return suspects

    def _attempts(self, endpoint: ClaimedEndpoint) -> Iterable["asyncio.Future[MadeAttempt]"]:
        try:
            secrets = [unseal_text(sealed, purpose=ENDPOINT_SECRET) for sealed in endpoint.sealed_secrets]
        except InvalidToken:
            secrets = []
        return [asyncio.ensure_future(self._attempt(endpoint, delivery, secrets)) for delivery in endpoint.deliveries]

    async def _attempt(self, endpoint: ClaimedEndpoint, delivery: DueDelivery, secrets: list[str]) -> MadeAttempt:
        at = self._clock()
        if not secrets:
            return MadeAttempt(delivery, at, at, "", AttemptOutcome(None, _KEY_LOST))
        body = message_body(event_type=delivery.event_type, occurred_at=delivery.occurred_at, data=delivery.data)
        headers = signed_headers(
            message_id=str(delivery.event_id), body=body, sent_at=at, secrets=secrets, sequence=delivery.sequence
        )
        reply = await self._outbound.post(endpoint.url, body=body, headers=headers)
        ended_at = self._clock()
        return MadeAttempt(delivery, at, ended_at, headers["webhook-signature"], _outcome(reply, ended_at))

    async def _record(self) -> None:
        """Record what was sent, together with what was sent in the same moment."""
        while True:
            batch = [await self._served.get()]
            await asyncio.sleep(GATHER_MILLISECONDS / 1000)
            while len(batch) < RECORDED_AT_ONCE and not self._served.empty():
                batch.append(self._served.get_nowait())
            await self._record_batch(batch)
            self._unrecorded -= len(batch)
            self._wake()

    async def _record_batch(self, batch: list[ServedEndpoint]) -> None:
        """Record a batch. If the database stays away, its leases end, and its messages are sent again."""
        for number in range(1, RETRIES_OF_RECORD + 1):
            try:
                recorded = await self._in_database(record_attempts, batch, as_of=self._clock())
            except Error:
                logger.exception("webhooks cannot be recorded")
                await asyncio.sleep(number)
            else:
                self.recorded = self.recorded.plus(recorded)
                return

    async def _in_database(
        self, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Run work on the database's thread, over a new connection if the old one has died."""

        def run() -> Result:
            connection.close_if_unusable_or_obsolete()
            return work(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._database, run)


async def send_webhooks(
    *,
    clock: Clock,
    is_over: Callable[[], bool],
    stops_when_idle: bool = False,
    outbound: Outbound | None = None,
) -> Recorded:
    """Send webhooks until `is_over` returns true, or until nothing is due. Return the counts of what was recorded."""
    way_out = outbound or Outbound(allowed=settings.WEBHOOK_ALLOWED_NETWORKS)
    async with way_out:
        sender = Sender(way_out, clock)
        await sender.run(is_over, stops_when_idle=stops_when_idle)
        return sender.recorded


def run_webhooks(*, started_by: str, as_of: datetime, clock: Clock, is_over: Callable[[], bool]) -> JobRun:
    """Send what is due now as a recorded job. It needs attention if an endpoint was disabled."""

    def work() -> JobReport:
        sent = asyncio.run(send_webhooks(clock=clock, is_over=is_over, stops_when_idle=True))
        summary = {"succeeded": sent.succeeded, "failed": sent.failed, "disabled": sent.disabled}
        return JobReport(summary, needs_attention=bool(sent.disabled))

    return run_job(name=WEBHOOKS_JOB, started_by=started_by, as_of=as_of, work=work)


def _close_connection() -> None:
    """Close the connection of the thread that this runs on."""
    connection.close()


def _outcome(reply: Reply, at: datetime) -> AttemptOutcome:
    return AttemptOutcome(
        reply.status_code,
        reply.error,
        reply.text,
        reply.milliseconds,
        read_retry_after(reply.retry_after, at) if reply.retry_after else None,
    )
