"""A month closed twice, at once, by four processes, one of them killed with SIGKILL at each step in turn.

Afterwards there is one invoice for each subscription and period, each with its PDF, numbers have no gap, and no mail
arrived twice. The doomed process goes first and stops at its step with all locks that it holds. The others work beside
it until they are done or wait for its locks. Then it is killed.
"""

import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.bench.rig import free_port
from tests.faults.closers import GATE, STEPS, Close, close_again, closers, prepare
from tests.faults.durable import DurableServer, await_that
from tests.faults.processes import GIVE_UP_AFTER_SECONDS, run_apart

pytestmark = pytest.mark.xdist_group("faults")

CLOSERS = 4
TENANTS = 5
MAIL_STEPS = ("between claiming a mail and sending it", "after sending a mail")
# One with invoices and numbers locked, one outside of any transaction, one with a mail on its way. The others are soak.
IN_EVERY_RUN = {"after numbering", "while rendering", "after sending a mail"}
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock' AND state = 'active'
"""
INVOICES = """
SELECT s.tenant_id, i.boundary, i.status, i.number, i.subtotal_minor, f.number IS NOT NULL
    FROM billing_subscription AS s
LEFT JOIN billing_invoice AS i ON i.subscription_id = s.id LEFT JOIN billing_documentfile AS f ON f.number = i.number
WHERE s.tenant_id = ANY(%s)
"""
MAILS = "SELECT status, count(*) FROM notices_outboundmail WHERE tenant_id = ANY(%s) GROUP BY 1"
MISSING_NUMBERS = """
SELECT n FROM billing_numberseries AS s, generate_series(1, s.last_number) AS n
WHERE s.code = %(code)s AND NOT EXISTS (SELECT FROM billing_invoice
    WHERE number = %(code)s || '-' || lpad(n::text, 6, '0'))
"""
TOLD = "SELECT count(*) FROM notices_outboxevent WHERE tenant_id = ANY(%s) AND type = 'invoice.finalized'"


class PostOffice:
    """A real mail server, which keeps the recipients and the name of each mail."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content)
        self.received.append((envelope.rcpt_tos[0], str(message["Message-ID"])))
        return "250 kept"

    def received_for(self, prefix: str) -> list[str]:
        return [name for recipient, name in self.received if recipient.startswith(f"bills@{prefix}-")]


@pytest.fixture
def post_office() -> Iterator[PostOffice]:
    office = PostOffice()
    office.controller.start()
    yield office
    office.controller.stop()


@dataclass(frozen=True)
class Rig:
    """A PostgreSQL that survives, a mail server, and the subscriptions to close."""

    server: DurableServer
    office: PostOffice
    directory: Path
    prefix: str = field(default_factory=lambda: f"t{uuid4().hex[:12]}")

    def prepare(
        self, *, count: int = TENANTS, year: int = 2026, numbering: str = "", claims_mails: bool = True
    ) -> Close:
        report = self.directory / "tenants"
        run_apart(prepare, self.server.url, self.prefix, count, year, report)
        ids = tuple(UUID(line) for line in report.read_text().split("\n"))
        port = self.office.controller.port
        return Close(self.server.url, ids, self.directory, year, port, numbering, claims_mails)


@pytest.fixture
def rig(server: DurableServer, post_office: PostOffice, tmp_path: Path) -> Rig:
    return Rig(server, post_office, tmp_path)


def in_turn(step: str) -> Any:
    return pytest.param(step, marks=[] if step in IN_EVERY_RUN else [pytest.mark.soak])


@pytest.mark.parametrize("step", [in_turn(step) for step in STEPS])
@pytest.mark.takes_long("it kills processes, and looks for what they left")
def test_a_closer_killed_at_a_step_leaves_each_invoice_once_numbers_without_a_gap_and_no_mail_twice(
    rig: Rig, step: str
) -> None:
    work = rig.prepare()
    exit_codes = close_and_kill(rig.server, work, step)
    assert exit_codes == [-signal.SIGKILL, 0, 0, 0]
    assert differences_after_another_close(work) == ""
    # Whether the mail that the dead process held went out is unknown, so only staff send it again.
    unknown = 1 if step in MAIL_STEPS else 0
    assert wrongs(rig, work, mails_unknown=unknown) == []
    not_received = 1 if step == MAIL_STEPS[0] else 0
    assert len(rig.office.received_for(rig.prefix)) == 2 * TENANTS - not_received


@pytest.mark.takes_long("it kills processes, and looks for what they left")
def test_four_closers_at_once_leave_no_work(rig: Rig) -> None:
    work = rig.prepare()
    assert close_at_once(rig.server, work) == [0] * CLOSERS
    assert wrongs(rig, work) == []


@pytest.mark.takes_long("it kills processes, and looks for what they left")
def test_control_numbers_given_without_a_lock_collide(rig: Rig) -> None:
    # The control: two read the same last number, and only the database's own constraint stops them.
    work = rig.prepare(year=2027, numbering="without a lock")
    exit_codes = close_at_once(rig.server, work)
    assert 1 in exit_codes, exit_codes


@pytest.mark.takes_long("it kills processes, and looks for what they left")
def test_control_numbers_given_for_good_have_a_gap_after_a_kill(rig: Rig) -> None:
    # The control: if a number were not undone with its transaction, the kill would lose it.
    work = rig.prepare(year=2028, numbering="for good")
    close_and_kill(rig.server, work, "after numbering")
    said = differences_after_another_close(work)
    assert [wrong for wrong in wrongs(rig, work) if "is missing" in wrong] != [], said


@pytest.mark.takes_long("it kills processes, and looks for what they left")
def test_control_mails_sent_before_they_are_claimed_arrive_twice(rig: Rig) -> None:
    # The control: several workers see a mail queued, and each sends it.
    work = rig.prepare(claims_mails=False)
    close_at_once(rig.server, work)
    received = rig.office.received_for(rig.prefix)
    assert len(received) > len(set(received))
    differences_after_another_close(work)  # leaves no mail for the tests after this one


@pytest.mark.soak
@pytest.mark.parametrize("round_", range(5))
def test_closers_killed_again_and_again_leave_each_invoice_once(rig: Rig, round_: int) -> None:
    # No process stops at a step: the running one is killed at some moment, and the schedule starts another.
    chance, work = random.Random(round_), rig.prepare(count=60)
    for _ in range(12):
        with closers(work, CLOSERS) as processes:
            for process in processes:
                process.start()
            for process in processes:
                process.join(chance.uniform(0.2, 1.5))
                process.kill()
    differences_after_another_close(work)
    assert differences_after_another_close(work) == ""
    assert wrongs(rig, work, mails_unknown=None) == []
    received = rig.office.received_for(rig.prefix)
    assert len(received) == len(set(received))


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


def wrongs(rig: Rig, work: Close, *, mails_unknown: int | None = 0) -> list[str]:
    """List what is wrong, by SQL of the test's own and sums made by hand."""
    tenants, expected = list(work.tenant_ids), amounts(work)
    with rig.server.connect() as connection:
        rows = connection.execute(INVOICES, [tenants]).fetchall()
        stored = [(tenant_id, boundary, subtotal) for tenant_id, boundary, _, _, subtotal, _ in rows]
        found = [f"invoices are {sorted(map(str, stored))}"] if sorted(stored) != sorted(expected) else []
        found += [f"{number} is {status}" for _, _, status, number, _, _ in rows if status != "finalized"]
        found += [f"{number} has no PDF" for _, _, _, number, _, has_file in rows if not has_file]
        found += [
            f"number {n} is missing" for (n,) in connection.execute(MISSING_NUMBERS, {"code": f"INV-{work.year}"})
        ]
        told = connection.execute(TOLD, [tenants]).fetchone()
        if told != (len(expected),):
            found.append(f"{told} invoices were told of, not {len(expected)}")
        mails: dict[str, int] = dict(connection.execute(MAILS, [tenants]).fetchall())
    unknown = mails.get("unknown", 0) if mails_unknown is None else mails_unknown
    if {status: count for status, count in mails.items() if count} != expected_mails(len(expected), unknown):
        found.append(f"mails are {mails}")
    received = rig.office.received_for(rig.prefix)
    return found + [f"{name} was received {n} times" for name, n in Counter(received).items() if n > 1]


def expected_mails(count: int, unknown: int) -> dict[str, int]:
    return {"sent": count - unknown} | ({"unknown": unknown} if unknown else {})


def amounts(work: Close) -> list[tuple[UUID, int, int]]:
    """Return each tenant's two invoices: the fee, and the fee with its usage of March."""
    return [
        (tenant_id, boundary, 4900 + boundary * 2 * 100 * (number + 1))
        for number, tenant_id in enumerate(work.tenant_ids)
        for boundary in (0, 1)
    ]
