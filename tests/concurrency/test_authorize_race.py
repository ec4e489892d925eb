"""A hundred requests at once, from several processes, for the last ten of a hard quota: exactly ten pass."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Tenant
from metering.domain.periods import Period
from metering.gateways.limit_stores.chosen import limit_store
from metering.services.limits.comparison import compare_counters
from tests.metering.services.limits.conftest import REDIS_URL, STORES, delete_keys, require_redis
from tests.metering.services.limits.limit_world import Caller, caller_on_plan, quota_of

ROOT = Path(__file__).resolve().parents[2]
PROCESSES, THREADS, PER_PROCESS, LEFT, USED_BEFORE = 4, 5, 25, 10, 15

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Workers:
    """Processes that authorise, kept for the whole file: each takes seconds to start."""

    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def ensure_running(self, environment: dict[str, str]) -> None:
        for process in [process for process in self.processes if process.poll() is not None]:
            process.communicate(timeout=120)  # closes its pipes
            self.processes.remove(process)
        while len(self.processes) < PROCESSES:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.concurrency.authorize_worker"],
                    cwd=ROOT,
                    env=environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate(timeout=120)


@dataclass(frozen=True)
class Rig:
    """The workers, and the store that they and this process use."""

    workers: Workers
    redis_url: str

    @property
    def name(self) -> str:
        return "redis" if self.redis_url else "postgres"

    def begin(
        self, caller: Caller, ids: list[list[str]], *modes: str, threads: int = THREADS
    ) -> list[subprocess.Popen[str]]:
        """Pass each process its ids and perhaps a mode of its own, and start them when the last is ready."""
        used = self.workers.processes[: len(ids)]
        for process, event_ids, mode in zip(used, ids, modes * (len(ids) // len(modes)), strict=True):
            task = {
                "secret": caller.secret,
                "redis_url": self.redis_url,
                "mode": mode,
                "threads": threads,
                "event_ids": event_ids,
            }
            write(process, json.dumps(task))
        for process in used:
            assert read(process) == "ready"
        for process in used:
            write(process, "go")
        return used

    def allowed(self, caller: Caller, ids: list[list[str]], *modes: str) -> list[str]:
        """Return the ids that were allowed, of all processes together."""
        return [
            event_id for process in self.begin(caller, ids, *(modes or [""])) for event_id in json.loads(read(process))
        ]


def write(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    workers = Workers()
    yield workers
    workers.stop()


@pytest.fixture(params=STORES)
def rig(
    request: pytest.FixtureRequest, settings: Settings, process_environment: dict[str, str], workers: Workers
) -> Iterator[Rig]:
    if request.param == "redis":
        require_redis()
    settings.REDIS_URL = REDIS_URL if request.param == "redis" else ""
    workers.ensure_running(process_environment)
    yield Rig(workers, settings.REDIS_URL)
    if settings.REDIS_URL:
        for tenant_id in Tenant.objects.values_list("pk", flat=True):
            delete_keys(f"countinghouse:limits:{{{tenant_id.hex}:*")


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def caller_with_ten_left(now: datetime) -> Caller:
    caller = caller_on_plan(now, [quota_of(str(USED_BEFORE + LEFT))])
    assert all(caller.passes(now, USED_BEFORE))
    return caller


def a_hundred_ids() -> list[list[str]]:
    return [[f"{number}-{position}" for position in range(PER_PROCESS)] for number in range(PROCESSES)]


def counted(caller: Caller, now: datetime) -> list[int]:
    return [int(used) for used in limit_store().stored(caller.ledger, now).values()]


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@pytest.mark.takes_long("processes are started that send a hundred requests at once")
def test_of_a_hundred_at_once_exactly_ten_pass(rig: Rig, now: datetime) -> None:
    caller = caller_with_ten_left(now)
    allowed = rig.allowed(caller, a_hundred_ids())
    stored = caller.events_stored() - USED_BEFORE
    sys.stdout.write(
        f"\n{rig.name}: 100 at once in {PROCESSES} processes, {LEFT} left: {len(allowed)} allowed, {stored} stored\n"
    )
    assert len(allowed) == stored == LEFT
    assert counted(caller, now) == [USED_BEFORE + LEFT]


def test_control_a_store_that_checks_first_and_counts_later_lets_more_pass(rig: Rig, now: datetime) -> None:
    # The control: if the step were not atomic, more than ten would pass.
    caller = caller_with_ten_left(now)
    allowed = rig.allowed(caller, a_hundred_ids(), "check-then-act")
    sys.stdout.write(f"\n{rig.name}, control that checks and then acts: {len(allowed)} allowed with {LEFT} left\n")
    assert len(allowed) > LEFT
    assert caller.events_stored() - USED_BEFORE == len(allowed)


def test_a_retry_from_every_process_counts_once(rig: Rig, now: datetime) -> None:
    caller = caller_with_ten_left(now)
    assert rig.allowed(caller, [["same"] * THREADS] * PROCESSES) == ["same"] * THREADS * PROCESSES
    assert caller.events_stored() == USED_BEFORE + 1
    assert counted(caller, now) == [USED_BEFORE + 1]


def test_reports_count_beside_requests_without_a_deadlock(rig: Rig, now: datetime) -> None:
    # Half of the processes authorise, half report. Reports are never refused, and each is in the counter at once.
    caller = caller_on_plan(now, [quota_of("60"), quota_of("1000", period=Period.DAY)], throttle=(1000, 1000))
    deadlocks_before = deadlocks()
    allowed = rig.allowed(caller, a_hundred_ids(), "", "report")
    reported = sum(event_id.startswith(("1-", "3-")) for event_id in allowed)
    assert reported == 50
    assert 10 <= len(allowed) - reported <= 50
    assert caller.events_stored() == len(allowed)
    assert counted(caller, now) == [len(allowed)] * 2
    assert compare_counters(ledgers=[caller.ledger], as_of=now).drifts == ()
    assert deadlocks() == deadlocks_before


def test_a_process_killed_between_take_and_commit_stores_nothing(rig: Rig, now: datetime) -> None:
    # PostgreSQL undoes the count by itself. Redis is too strict by one until it is compared with the ledger.
    caller = caller_with_ten_left(now)
    [killed] = rig.begin(caller, [["lost"]], "die-after-take", threads=1)
    assert killed.wait(timeout=60) == -signal.SIGKILL
    lost_in_redis = 1 if rig.redis_url else 0
    assert caller.events_stored() == USED_BEFORE
    assert counted(caller, now) == [USED_BEFORE + lost_in_redis]
    comparison = compare_counters(ledgers=[caller.ledger], as_of=now)
    assert len(comparison.drifts) == lost_in_redis
    assert caller.authorize(now, "lost").decision.limits[0].remaining == LEFT - 1
    assert caller.events_stored() == USED_BEFORE + 1
