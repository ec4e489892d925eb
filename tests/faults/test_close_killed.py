"""A month closed twice, at once, by four processes, one of them killed with SIGKILL at each step in turn.

Afterwards there is one invoice for each subscription and period, and numbers have no gap. The doomed process goes first
and stops at its step with all that it holds; the others work beside it until they are done or wait for its locks; then it is killed.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.faults.closers import GATE, STEPS, Close, close_again, closers, prepare
from tests.faults.durable import DurableServer, await_that
from tests.faults.processes import GIVE_UP_AFTER_SECONDS, run_apart

pytestmark = pytest.mark.xdist_group("faults")

CLOSERS = 4
TENANTS = 8
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock' AND state = 'active'
"""
INVOICES = """
SELECT s.tenant_id, i.boundary, i.status, i.number, i.subtotal_minor FROM billing_subscription AS s
LEFT JOIN billing_invoice AS i ON i.subscription_id = s.id WHERE s.tenant_id = ANY(%s)
"""
MISSING_NUMBERS = """
SELECT n FROM billing_numberseries AS s, generate_series(1, s.last_number) AS n
WHERE s.code = %(code)s AND NOT EXISTS (SELECT FROM billing_invoice WHERE number = %(code)s || '-' || lpad(n::text, 6, '0'))
"""
TOLD = "SELECT count(*) FROM billing_outboxevent WHERE tenant_id = ANY(%s) AND type = 'invoice.finalized'"


@pytest.fixture
def work(server: DurableServer, tmp_path: Path) -> Close:
    return prepared(server, tmp_path)


def prepared(
    server: DurableServer, directory: Path, *, count: int = TENANTS, year: int = 2026, numbering: str = ""
) -> Close:
    report = directory / "tenants"
    run_apart(prepare, server.url, f"t{uuid4().hex[:12]}", count, year, report)
    ids = tuple(UUID(line) for line in report.read_text().split("\n"))
    return Close(server.url, ids, directory, year, numbering)


@pytest.mark.parametrize("step", STEPS)
def test_a_closer_killed_at_a_step_leaves_each_invoice_once_and_numbers_without_a_gap(
    server: DurableServer, work: Close, step: str
) -> None:
    exit_codes = close_and_kill(server, work, step)
    assert exit_codes == [-signal.SIGKILL, 0, 0, 0]
    assert differences_after_another_close(work) == ""
    assert wrongs(server, work) == []


def test_four_closers_at_once_leave_nothing_undone(server: DurableServer, work: Close) -> None:
    assert close_at_once(server, work) == [0] * CLOSERS
    assert wrongs(server, work) == []


def test_the_rig_sees_numbers_that_are_given_without_a_lock(server: DurableServer, tmp_path: Path) -> None:
    """The control: two read the same last number, and only the database's own constraint stands in their way."""
    work = prepared(server, tmp_path, year=2027, numbering="without a lock")
    exit_codes = close_at_once(server, work)
    assert 1 in exit_codes, exit_codes


def test_the_rig_sees_the_gap_that_a_kill_leaves_in_numbers_given_for_good(
    server: DurableServer, tmp_path: Path
) -> None:
    """The control: were a number not taken back with its transaction, the kill would lose it."""
    work = prepared(server, tmp_path, year=2028, numbering="for good")
    close_and_kill(server, work, "after numbering")
    said = differences_after_another_close(work)
    assert [wrong for wrong in wrongs(server, work) if "is missing" in wrong] != [], said


def differences_after_another_close(work: Close) -> str:
    report = work.directory / "differences"
    run_apart(close_again, work, report)
    return report.read_text()


def close_and_kill(server: DurableServer, work: Close, step: str) -> list[int | None]:
    with closers(work, CLOSERS, doomed_at=step) as processes:
        doomed, *others = processes
        doomed.start()
        await_that(work.reached.exists)
        with gate_closed(server):
            for process in others:
                process.start()
            await_waiting(server, len(others))
        # They do what they can; a closer that needs what the doomed one holds waits for it.
        with server.connect() as connection:
            await_that(lambda: waiting(connection) >= sum(process.is_alive() for process in others))
        doomed.kill()
        return ends_of(processes)


def close_at_once(server: DurableServer, work: Close) -> list[int | None]:
    with closers(work, CLOSERS) as processes:
        with gate_closed(server):
            for process in processes:
                process.start()
            await_waiting(server, len(processes))
        return ends_of(processes)


@contextmanager
def gate_closed(server: DurableServer) -> Iterator[None]:
    with server.connect() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield
        connection.execute("SELECT pg_advisory_unlock(%s)", [GATE])


def await_waiting(server: DurableServer, count: int) -> None:
    with server.connect() as connection:
        await_that(lambda: waiting(connection) >= count)


def waiting(connection: psycopg.Connection) -> int:
    row = connection.execute(WAITING).fetchone()
    assert row is not None
    return int(row[0])


def ends_of(processes: list[BaseProcess]) -> list[int | None]:
    for process in processes:
        process.join(GIVE_UP_AFTER_SECONDS)
    return [process.exitcode for process in processes]


def wrongs(server: DurableServer, work: Close) -> list[str]:
    """What is not as it should be, by SQL of the test's own and sums made by hand."""
    found = []
    with server.connect() as connection:
        rows = connection.execute(INVOICES, [list(work.tenant_ids)]).fetchall()
        expected = {
            (tenant_id, boundary, 4900 + boundary * 2 * 100 * (number + 1))
            for number, tenant_id in enumerate(work.tenant_ids)
            for boundary in (0, 1)
        }
        stored = [(tenant_id, boundary, subtotal) for tenant_id, boundary, _, _, subtotal in rows]
        if len(stored) != len(set(stored)) or set(stored) != expected:
            found.append(f"invoices are {sorted(map(str, stored))}")
        found += [f"{number} is {status}" for _, _, status, number, _ in rows if status != "finalized"]
        found += [
            f"number {n} is missing" for (n,) in connection.execute(MISSING_NUMBERS, {"code": f"INV-{work.year}"})
        ]
        told = connection.execute(TOLD, [list(work.tenant_ids)]).fetchone()
        if told != (len(expected),):
            found.append(f"{told} invoices were told of, not {len(expected)}")
    return found
