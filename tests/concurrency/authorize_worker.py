"""One process of many that authorise at once. The tests start it, with their database in its environment.

Each line that it reads is a task in JSON: whose key, which store, which ids, in how many threads. It prints `ready`,
waits for one more line, authorises, and prints which ids were allowed. With `check-then-act` it uses a store that is
not atomic, as a control that the rig sees the fault. With `die-after-take` it is killed before the commit. With
`report` it reports usage without authorising it.
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

from accounts.domain.reach import WayIn, let_process_reach  # noqa: E402
from accounts.selectors.api_keys import find_principal  # noqa: E402
from metering.domain.limit_policy import Claim, LimitLevels  # noqa: E402
from metering.domain.quantities import EXACT  # noqa: E402
from metering.gateways.limit_stores.chosen import limit_store  # noqa: E402
from metering.services.limits import authorization  # noqa: E402
from metering.services.limits.counting import ingest_and_count  # noqa: E402
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


STORES: dict[str, Any] = {
    "": limit_store,
    REPORT: limit_store,
    CHECK_THEN_ACT: CheckThenAct,
    DIE_AFTER_TAKE: DieAfterTake,
}


def ask(secret: str, event_id: str, *, is_report: bool) -> bool:
    as_of = timezone.now()
    principal = find_principal(secret, as_of)
    assert principal is not None
    assert principal.tenant is not None
    event = parsed_event({"id": event_id, "type": "http_request"}, as_of)
    if is_report:
        result = ingest_and_count(principal=principal, tenant=principal.tenant, events=[event], as_of=as_of)
        return bool(result.accepted)
    answer = authorization.authorize(principal=principal, tenant=principal.tenant, event=event, as_of=as_of)
    return answer.decision.is_allowed


def perform(secret: str, redis_url: str, mode: str, threads: int, event_ids: list[str]) -> list[str]:
    settings.REDIS_URL = redis_url
    authorization.limit_store = STORES[mode]
    together = threading.Barrier(threads)

    def work(ids: list[str]) -> list[str]:
        try:
            connection.ensure_connection()
            together.wait(120)
            return [event_id for event_id in ids if ask(secret, event_id, is_report=mode == REPORT)]
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
