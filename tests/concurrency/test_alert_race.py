"""Usage jumps to 130 percent in one batch while eight processes check thresholds: each alert once, one mail."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from accounts.models import Tenant
from accounts.notices.models import OutboundMail, OutboxEvent
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import monitor_thresholds
from tests.concurrency.authorize_rig import read, write
from tests.concurrency.test_authorize_race import deadlocks
from tests.databases import owner_url
from tests.metering.alerts.alert_world import NOON, TOKENS, crossed, customer, quota, use
from tests.metering.ledger_world import ledger_of, send

ROOT = Path(__file__).resolve().parents[2]
PROCESSES, EVENTS, TENANTS = 8, 130, 40
SCRATCH_TABLE = "threshold_alert_scratch"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.takes_long("many processes at once")]


@dataclass(frozen=True)
class Rig:
    """The process that forks the checkers. It is kept for the whole file, since it takes seconds to start."""

    process: subprocess.Popen[str]

    def run(self, *, mode: str = "", processes: int = PROCESSES) -> tuple[list[int], list[int]]:
        """Run all checkers. Return the alerts that they raised together, and how each ended."""
        write(self.process, json.dumps({"processes": processes, "mode": mode, "as_of": NOON.isoformat()}))
        answer = json.loads(read(self.process))
        return answer["raised"], answer["ended"]


@pytest.fixture(scope="module")
def started() -> Iterator[list[Rig]]:
    rigs: list[Rig] = []
    yield rigs
    for rig in rigs:
        rig.process.kill()
        rig.process.communicate(timeout=120)


@pytest.fixture
def rig(started: list[Rig], process_environment: dict[str, str]) -> Rig:
    if not started:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.concurrency.alert_worker"],
            cwd=ROOT,
            env=process_environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(Rig(process))
    return started[0]


@pytest.fixture
def acme() -> Tenant:
    """Create Acme with 130 events in one batch, of a quota of 100."""
    tenant = customer("acme", quota(100))
    events = [{"id": uuid4().hex, "type": TOKENS, "timestamp": NOON.isoformat()} for _ in range(EVENTS)]
    send(ledger_of(tenant), events, as_of=NOON)
    return tenant


@contextmanager
def table_without_the_constraint() -> Iterator[None]:
    """Create a copy of the table that stores an alert as often as it is inserted, and drop it at the end."""
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=10) as owner:
        owner.execute(
            f"CREATE TABLE {SCRATCH_TABLE} (LIKE alerts_thresholdalert INCLUDING IDENTITY INCLUDING DEFAULTS)"
        )
        owner.execute(f"GRANT SELECT, INSERT ON {SCRATCH_TABLE} TO {settings.DATABASE_ROLE}")
        try:
            yield
        finally:
            owner.execute(f"DROP TABLE {SCRATCH_TABLE}")


def test_eight_processes_at_once_raise_each_threshold_once_and_send_one_mail(rig: Rig, acme: Tenant) -> None:
    raised, ended = rig.run()
    mails, told = OutboundMail.objects.count(), OutboxEvent.objects.count()
    sys.stdout.write(
        f"\n0 to 130 % in one batch, {PROCESSES} processes: raised {raised}, {told} in the outbox, {mails} mail\n"
    )
    assert raised == crossed(acme) == [80, 95, 100]
    assert (told, mails) == (3, 1)
    assert ended == [0] * PROCESSES


def test_control_without_the_constraint_an_alert_is_raised_several_times(rig: Rig, acme: Tenant) -> None:
    # The control: if the check comes first and the insert afterwards, several raise the same alert.
    with table_without_the_constraint():
        raised, _ = rig.run(mode="check-then-insert")
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {SCRATCH_TABLE} WHERE tenant_id = %s", [acme.pk])
            stored = cursor.fetchone()[0]
    mails = OutboundMail.objects.count()
    sys.stdout.write(f"\ncontrol without the constraint: {stored} alerts instead of 3, {mails} mails instead of 1\n")
    assert stored == len(raised) > 3
    assert mails > 1


def test_a_process_killed_before_its_commit_leaves_the_alerts_to_the_next(rig: Rig, acme: Tenant) -> None:
    assert rig.run(mode="die-before-commit", processes=1) == ([], [-signal.SIGKILL])
    assert not ThresholdAlert.objects.exists()
    assert not OutboxEvent.objects.exists()
    assert len(monitor_thresholds(as_of=NOON).alerts) == 3
    assert crossed(acme) == [80, 95, 100]
    assert OutboundMail.objects.count() == 1


def test_processes_that_find_the_same_tenants_wait_for_each_other_without_a_deadlock(rig: Rig) -> None:
    for number in range(TENANTS):
        use(customer(f"t{number}", quota(100)), 130, at=NOON)
    deadlocks_before = deadlocks()
    raised, ended = rig.run()
    assert ended == [0] * PROCESSES
    assert raised == sorted([80, 95, 100] * TENANTS)
    assert ThresholdAlert.objects.count() == 3 * TENANTS
    assert OutboundMail.objects.count() == TENANTS
    assert deadlocks() == deadlocks_before
