"""One process of many that authorise at once. The tests start it, with their database in its environment.

Each line that it reads is a task in JSON: whose key, which store, which ids, in how many threads. It prints `ready`,
waits for one more line, authorises, and prints which ids were allowed. With `check-then-act` it uses a store that is
not atomic, as a control that the rig sees the fault. With `die-after-take` it is killed before the commit. With
`report` it reports usage without authorising it. With `reserve` each request reserves and commits; with the other modes
of `RESERVING` it is killed after it has reserved, or while it reserves, commits or releases.
"""

import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402 - Django has to be set up first
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.domain.principal import Principal  # noqa: E402
from accounts.domain.reach import WayIn, let_process_reach  # noqa: E402
from accounts.selectors.api_keys import find_principal  # noqa: E402
from metering.domain.events import ParsedEvent  # noqa: E402
from metering.domain.limit_policy import Claim, LimitLevels  # noqa: E402
from metering.domain.quantities import EXACT  # noqa: E402
from metering.gateways.limit_stores.chosen import limit_store  # noqa: E402
from metering.services.limits import authorization, reservations  # noqa: E402
from metering.services.limits.counting import ingest_and_count  # noqa: E402
from tests.concurrency.subjects import SUBJECT  # noqa: E402
from tests.metering.services.limits.limit_world import parsed_event  # noqa: E402

let_process_reach(WayIn.JOBS)

CHECK_THEN_ACT, DIE_AFTER_TAKE, REPORT = "check-then-act", "die-after-take", "report"


class CheckThenAct:
    """A store that is not atomic, as a control: it checks first, and counts afterwards."""

    def __getattr__(self, name: str) -> Any:
        return getattr(limit_store(), name)

    def take(self, claim: Claim) -> LimitLevels | None:
        seen = limit_store().peek(claim)
        if seen is not None and seen.is_allowed:
            time.sleep(0.005)  # as long as a busy machine may take between two statements
            amounts = zip(claim.counters, seen.used, strict=True)
            used_after = {one.key: EXACT.add(used, one.amount) for one, used in amounts}
            limit_store().store(claim.ledger, used_after, claim.as_of)
        return seen


class DieAfterTake(CheckThenAct):
    """A store that takes as it should, and is killed before the transaction commits."""

    def take(self, claim: Claim) -> LimitLevels | None:
        limit_store().take(claim)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("a killed process does nothing more")


class DieWhenAsked(DieAfterTake):
    """A store that kills the process at the take that comes after so many."""

    def __init__(self, takes: int) -> None:
        self.takes_left = takes

    def __call__(self) -> "DieWhenAsked":
        return self

    def take(self, claim: Claim) -> LimitLevels | None:
        self.takes_left -= 1
        return super().take(claim) if self.takes_left < 0 else limit_store().take(claim)


RESERVE, RESERVE_CONTROL, DIE_HOLDING = "reserve", "reserve, check-then-act", "die holding"
DIE_RESERVING, DIE_COMMITTING, DIE_FREEING, DIE_RELEASING = (
    "die reserving",
    "die committing",
    "die freeing",
    "die releasing",
)
RESERVING: dict[str, Any] = {
    RESERVE: limit_store,
    RESERVE_CONTROL: CheckThenAct,
    DIE_HOLDING: limit_store,
    DIE_RESERVING: DieWhenAsked(0),
    DIE_COMMITTING: DieWhenAsked(1),
    DIE_FREEING: DieWhenAsked(2),
    DIE_RELEASING: DieWhenAsked(1),
}
# What a process that is to be killed holds, and for how long.
HELD, HELD_SECONDS = 8, 30
STORES: dict[str, Any] = {
    "": limit_store,
    REPORT: limit_store,
    CHECK_THEN_ACT: CheckThenAct,
    DIE_AFTER_TAKE: DieAfterTake,
}


def ask(secret: str, event_id: str, mode: str) -> bool:
    as_of = timezone.now()
    principal = find_principal(secret, as_of)
    assert principal is not None
    assert principal.tenant is not None
    of_kind = {"type": "tokens", "quantity": HELD} if mode.startswith("die ") else {"type": "http_request"}
    event = parsed_event({"id": event_id, "subject": SUBJECT, **of_kind}, as_of)
    if mode in RESERVING:
        return ask_twice(principal, event, mode)
    if mode == REPORT:
        result = ingest_and_count(principal=principal, tenant=principal.tenant, events=[event], as_of=as_of)
        return bool(result.accepted)
    answer = authorization.authorize(principal=principal, tenant=principal.tenant, event=event, as_of=as_of)
    return answer.decision.is_allowed


def ask_twice(principal: Principal, event: ParsedEvent, mode: str) -> bool:
    """Reserve, and commit or release if that was allowed. If a part is to be freed, half of what is held is used."""
    assert principal.tenant is not None
    caller = {"principal": principal, "tenant": principal.tenant}
    reserved = reservations.reserve(
        **caller, event=event, expires_in_seconds=HELD_SECONDS, as_of=event.occurred_at
    ).reservation
    if reserved is None:
        return False
    if mode == DIE_HOLDING:
        os.kill(os.getpid(), signal.SIGKILL)
    of_reservation = caller | {"reservation_id": reserved.id, "as_of": timezone.now()}
    if mode == DIE_RELEASING:
        reservations.release_reservation(**of_reservation)
    quantity = event.quantity / 2 if mode in {DIE_COMMITTING, DIE_FREEING} else None
    return reservations.commit_reservation(**of_reservation, quantity=quantity).decision.is_allowed


def perform(secret: str, redis_url: str, mode: str, threads: int, event_ids: list[str]) -> list[str]:
    settings.REDIS_URL = redis_url
    authorization.limit_store = reservations.limit_store = (STORES | RESERVING)[mode]
    together = threading.Barrier(threads)

    def work(ids: list[str]) -> list[str]:
        try:
            connection.ensure_connection()
            together.wait(120)
            return [event_id for event_id in ids if ask(secret, event_id, mode)]
        finally:
            connection.close()

    say("ready")
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(work, [event_ids[number::threads] for number in range(threads)])
        return [event_id for part in parts for event_id in part]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for line in sys.stdin:
        say(json.dumps(perform(**json.loads(line))))
