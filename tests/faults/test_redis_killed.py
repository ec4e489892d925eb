"""Redis is killed in the middle of a run, and comes back empty: no event is lost, and afterwards limits are exact."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from django.db import connection
from pytest_django import Settings

from accounts.errors import StoreUnavailableError
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.gateways.limit_stores.chosen import redis_limits
from metering.models import UncountedLedger, UsagePlan
from metering.selectors.limits import forget_limits
from metering.services.limits.comparison import compare_counters
from metering.services.usage_plans import update_usage_plan
from tests.faults.durable import await_that
from tests.metering.services.limits.limit_world import OPERATOR, Caller, caller_on_plan, quota_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
QUOTA = 30
PROGRAM = shutil.which("redis-server") or ""

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.takes_long("it starts a Redis of its own, twice, to kill it"),
    pytest.mark.skipif(not PROGRAM, reason="there is no redis-server to kill"),
]


class RedisServer:
    """A Redis that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([PROGRAM, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_that(self._responds)

    def kill(self) -> None:
        assert self._process is not None, "it was started"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=20)

    def _responds(self) -> bool:
        client = redis.Redis.from_url(self.url)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


@pytest.fixture
def server(tmp_path: Path, settings: Settings) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path)
    made.start()
    settings.REDIS_URL = made.url
    forget_limits()
    yield made
    redis_limits(made.url).close()
    made.kill()


def caller_of(*, allows_in_outage: bool) -> Caller:
    quotas = (quota_of(str(QUOTA)), quota_of(str(QUOTA), period=Period.WEEK, scope=LimitScope.SUBJECT))
    caller = caller_on_plan(NOW, quotas)
    plan = UsagePlan.objects.get(assignments__tenant=caller.tenant.id)
    terms = UsagePlanTerms("Plan", quotas=quotas, allows_in_outage=allows_in_outage)
    update_usage_plan(usage_plan=plan, terms=terms, actor=OPERATOR, as_of=NOW)
    return caller


def send(caller: Caller, times: int) -> list[str]:
    """Send so many requests, and return what came of each."""
    outcomes = []
    for _ in range(times):
        try:
            is_allowed = caller.authorize(NOW, subject="team").decision.is_allowed
            outcomes.append("allowed" if is_allowed else "refused")
        except StoreUnavailableError:
            outcomes.append("503")
    return outcomes


@pytest.mark.parametrize(("allows_in_outage", "meanwhile"), [(True, "allowed"), (False, "503")])
def test_the_plan_decides_while_redis_is_dead_and_the_quota_is_exact_after_it(
    server: RedisServer, allows_in_outage: bool, meanwhile: str
) -> None:
    caller = caller_of(allows_in_outage=allows_in_outage)
    assert send(caller, 8) == ["allowed"] * 8
    server.kill()
    assert send(caller, 7) == [meanwhile] * 7
    assert UncountedLedger.objects.exists() == allows_in_outage
    server.start()
    left = QUOTA - 8 - (7 if allows_in_outage else 0)
    assert send(caller, left + 5) == ["allowed"] * left + ["refused"] * 5
    assert caller.events_stored() == QUOTA
    assert compare_counters(ledgers=[caller.ledger], as_of=NOW).drifts == ()


def test_control_a_store_that_comes_back_with_old_counters_would_allow_too_much(
    server: RedisServer, settings: Settings
) -> None:
    # The control: without the mark, what passed while Redis was out of reach is missing in its counters.
    def allowed_after(forget_mark: Callable[[], None]) -> int:
        caller = caller_of(allows_in_outage=True)
        assert send(caller, 8) == ["allowed"] * 8
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        assert send(caller, 7) == ["allowed"] * 7
        settings.REDIS_URL = server.url
        forget_mark()
        return send(caller, QUOTA).count("allowed")

    def forget_mark() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM metering_uncountedledger")

    assert allowed_after(lambda: None) == QUOTA - 15
    assert allowed_after(forget_mark) == QUOTA - 8
