"""Processes that check thresholds at once. The tests start this program, with their database in the environment.

Each line that it reads is a task in JSON: how many processes, in which mode, as of when. They are forked, wait for the
last to be connected, and run a pass each. It prints which alerts each raised and how each ended. With
`check-then-insert` they use the same statement on a copy of the table without the constraint, as a control that the rig
sees the fault. With `die-before-commit` they are killed when all is written and nothing committed.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from datetime import datetime
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

import django

django.setup()

from django.db import connection, transaction  # noqa: E402 - Django has to be set up first

from accounts.domain.reach import WayIn, let_process_reach  # noqa: E402
from metering.alerts.services import monitoring as alerts  # noqa: E402

let_process_reach(WayIn.JOBS)

# Forked before anything is connected: eight processes for the start of one.
FORK = multiprocessing.get_context("fork")
CHECK_THEN_INSERT, DIE_BEFORE_COMMIT = "check-then-insert", "die-before-commit"
SCRATCH_TABLE = "threshold_alert_scratch"
PAUSE_SECONDS = 0.1  # as long as a busy machine may take between the statement and the commit
GUARD = "ON CONFLICT DO NOTHING"
ORDER = "ORDER BY c.position"
CHECK = f"""WHERE NOT EXISTS (
        SELECT FROM {SCRATCH_TABLE} AS s
        WHERE (s.tenant_id, s.meter_id, s.quota_period, s.period_start_on, s.threshold, s.limit)
            = (c.tenant_id, c.meter_id, c.quota_period, c.period_start_on, c.threshold, c.limit))
    {ORDER}"""
GUARDED = alerts.RAISE_ALERTS
UNGUARDED = GUARDED.replace(GUARD, "").replace("alerts_thresholdalert", SCRATCH_TABLE).replace(ORDER, CHECK, 1)
assert GUARD in GUARDED
assert CHECK in UNGUARDED


def run_pass(mode: str, as_of: str, together: Barrier, raised: "SimpleQueue[list[int]]") -> None:
    alerts.RAISE_ALERTS = UNGUARDED if mode == CHECK_THEN_INSERT else GUARDED  # type: ignore[misc] # the control
    connection.ensure_connection()
    together.wait(120)
    with transaction.atomic():
        result = alerts.monitor_thresholds(as_of=datetime.fromisoformat(as_of))
        if mode == DIE_BEFORE_COMMIT:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(PAUSE_SECONDS)
    raised.put([alert.threshold for alert in result.alerts if alert.threshold is not None])


def perform(processes: int, mode: str, as_of: str) -> dict[str, list[int]]:
    together, raised = FORK.Barrier(processes), FORK.SimpleQueue()
    workers = [FORK.Process(target=run_pass, args=(mode, as_of, together, raised)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    found = [threshold for _ in range(processes) if not raised.empty() for threshold in raised.get()]
    return {"raised": sorted(found), "ended": [worker.exitcode or 0 for worker in workers]}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(perform(**json.loads(line)))}\n")
        sys.stdout.flush()
