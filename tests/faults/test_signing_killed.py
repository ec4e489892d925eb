"""Days signed by three processes at once, one of them killed by SIGKILL at each step: each day once, and one chain."""

import signal
from pathlib import Path
from uuid import uuid4

import pytest

from metering.domain.ledger import Ledger
from tests.faults.durable import DurableServer, await_that
from tests.faults.processes import run_apart
from tests.faults.signers import DAYS, STEPS, Signing, prepare, sign_again, signers
from tests.faults.test_close_killed import await_waiting, ends_of, gate_closed, waiting

pytestmark = [
    pytest.mark.xdist_group("faults"),
    pytest.mark.takes_long("it kills processes, and looks for what they left"),
]

SIGNERS = 3
WHOLE = "\n".join(["True 5"] * DAYS)


def prepared(server: DurableServer, ledger: Ledger, directory: Path, *, locks: bool = True) -> Signing:
    work = Signing(server.url, ledger, directory, locks)
    run_apart(prepare, work, f"t{uuid4().hex[:12]}")
    return work


def signed_after_another_run(work: Signing) -> str:
    report = work.directory / "signed"
    run_apart(sign_again, work, report)
    return report.read_text()


@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_while_it_signs_leaves_each_day_once(
    server: DurableServer, ledger: Ledger, tmp_path: Path, step: str
) -> None:
    work = prepared(server, ledger, tmp_path)
    with signers(work, SIGNERS, doomed_at=step) as processes:
        doomed, *others = processes
        doomed.start()
        await_that(work.reached.exists)
        with gate_closed(server):
            for process in others:
                process.start()
            await_waiting(server, len(others))
        with server.connect() as connection:
            await_that(lambda: waiting(connection) >= sum(process.is_alive() for process in others))
        doomed.kill()
        assert ends_of(processes) == [-signal.SIGKILL, 0, 0]
    assert signed_after_another_run(work) == WHOLE


def test_control_without_the_lock_two_sign_one_day_and_a_constraint_stops_them(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    work = prepared(server, ledger, tmp_path, locks=False)
    with signers(work, SIGNERS) as processes:
        with gate_closed(server):
            for process in processes:
                process.start()
            await_waiting(server, len(processes))
        assert 1 in ends_of(processes)
    assert signed_after_another_run(work) == WHOLE
