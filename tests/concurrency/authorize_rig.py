"""Processes that authorize and reserve at once, and the store that they use."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import Tenant
from tests.metering.services.limits.conftest import REDIS_URL, STORES, delete_keys, require_redis
from tests.metering.services.limits.limit_world import Caller

ROOT = Path(__file__).resolve().parents[2]
PROCESSES, THREADS = 4, 5


@dataclass
class Workers:
    """Processes that authorise, kept for the whole file: each takes seconds to start."""

    wanted: int = PROCESSES
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def ensure_running(self, environment: dict[str, str]) -> None:
        for process in [process for process in self.processes if process.poll() is not None]:
            process.communicate(timeout=120)  # closes its pipes
            self.processes.remove(process)
        while len(self.processes) < self.wanted:
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

    def allowed(self, caller: Caller, ids: list[list[str]], *modes: str, threads: int = THREADS) -> list[str]:
        """Return the ids that were allowed, of all processes together."""
        processes = self.begin(caller, ids, *(modes or [""]), threads=threads)
        return [event_id for process in processes for event_id in json.loads(read(process))]


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
