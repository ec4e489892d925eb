"""P1, P2, P5: PostgreSQL is killed while eight processes send the same events. None is lost, none counts twice.

Each test that ends well has a control with the claim of identities switched off, which must find the fault: a rig that
cannot see the fault proves nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from accounts.domain.api_key import KeyKind, generate_key
from metering.domain.ledger import Ledger
from tests.bench.rig import OURS, production
from tests.bench.rig import server as web_server
from tests.faults.books import NAMED_MAX
from tests.faults.durable import DurableServer, await_that
from tests.faults.processes import Journal, Work, finish, make_key, read_journals, run_apart, senders
from tests.faults.verdicts import answers, drifts, ids, journals_in, verdict

pytestmark = pytest.mark.xdist_group("faults")

SENDERS = 8
KILLS = 3
EVENTS = 1000
AN_HOUR = "2026-03-10T12:00:00+00:00"
IN_THAT_HOUR = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


@pytest.mark.takes_long("PostgreSQL recovers three times")
def test_eight_senders_and_three_kills_of_postgres_leave_every_event_counted_once(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    work = Work(server.url, ledger, journals_in(tmp_path), events=EVENTS)

    journals = send_while_killing(server, work, kills=KILLS)

    assert sum(journal.unanswered for journal in journals) >= KILLS, "no kill interrupted anything"
    accepted = [id_ for journal in journals for id_ in journal.accepted]
    assert len(accepted) == len(set(accepted)), "two senders were told that an event was new"
    assert all(set(journal.acknowledged) == ids(EVENTS) for journal in journals)
    assert verdict(server, ledger, journals, events=EVENTS) == []
    assert drifts(server, ledger, tmp_path) == ""


@pytest.mark.takes_long("it kills a server")
def test_control_without_the_claim_of_identities_events_count_twice(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    work = Work(server.url, ledger, journals_in(tmp_path), events=EVENTS, claims_identity=False)

    journals = send_while_killing(server, work, kills=1)

    said = "\n".join(verdict(server, ledger, journals, events=EVENTS))
    assert "stored more than once" in said
    assert "event_identity" in drifts(server, ledger, tmp_path)


@pytest.mark.takes_long("it kills a server")
def test_a_kill_between_claim_and_rollup_takes_both_back_and_a_retry_counts(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    work = Work(server.url, ledger, journals_in(tmp_path), events=200, occurred_at=IN_THAT_HOUR)
    with server.holding_rollups(ledger, hour=AN_HOUR), senders(work, SENDERS) as processes:
        server.await_running_ingest(at_least=SENDERS, held=True)
        server.kill()
        server.restart()
        finish(processes)

    journals = read_journals(work.journals)
    assert sum(journal.unanswered for journal in journals) >= SENDERS
    assert verdict(server, ledger, journals, events=200) == []
    assert drifts(server, ledger, tmp_path) == ""


def test_a_kill_after_the_response_keeps_the_acknowledged_events(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    work = Work(server.url, ledger, journals_in(tmp_path), events=100, events_per_batch=100)
    with senders(work, 1) as processes:
        finish(processes)
        server.kill()
    server.restart()

    assert verdict(server, ledger, read_journals(work.journals), events=100) == []


def test_a_client_killed_in_the_middle_of_its_batch_leaves_all_of_it_or_nothing(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    doomed = Work(server.url, ledger, journals_in(tmp_path), events=50, occurred_at=IN_THAT_HOUR)
    with server.holding_rollups(ledger, hour=AN_HOUR), senders(doomed, 1) as processes:
        server.await_running_ingest(held=True)
        processes[0].kill()
        processes[0].join(120)
    # The backend goes on without its client until it is done, and may then store the batch as a whole.
    server.await_no_running_ingest()
    assert read_journals(doomed.journals) == [Journal()]
    assert verdict(server, ledger, [], events=50) in ([], verdict_of_nothing(50))

    with senders(doomed, 1) as processes:
        finish(processes)

    assert verdict(server, ledger, read_journals(doomed.journals), events=50) == []
    assert drifts(server, ledger, tmp_path) == ""


@pytest.mark.soak
@pytest.mark.parametrize("round_", range(5))
def test_many_kills_of_postgres_under_load_leave_every_event_counted_once(
    server: DurableServer, ledger: Ledger, tmp_path: Path, round_: int
) -> None:
    work = Work(server.url, ledger, journals_in(tmp_path), events=20_000, events_per_batch=100 + 50 * round_)

    journals = send_while_killing(server, work, kills=10)

    assert verdict(server, ledger, journals, events=20_000) == []
    assert drifts(server, ledger, tmp_path) == ""


@pytest.mark.soak
def test_the_same_over_http_with_a_web_process_killed_too_leaves_every_event_counted_once(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    secret = generate_key(KeyKind.LIVE)
    run_apart(make_key, server.url, ledger.tenant_id, secret)
    with web_server(OURS, production(server.cluster), workers=2) as (port, _):
        work = Work(server.url, ledger, journals_in(tmp_path), events=EVENTS, port=port, secret=secret)

        journals = send_while_killing(server, work, kills=KILLS, also_kill=lambda: kill_a_worker(port))

    assert sum(journal.unanswered for journal in journals) >= KILLS
    assert all(set(journal.acknowledged) == ids(EVENTS) for journal in journals)
    assert verdict(server, ledger, journals, events=EVENTS) == []
    assert drifts(server, ledger, tmp_path) == ""


def kill_a_worker(port: int) -> None:
    """Kill one of the web processes by SIGKILL. The server starts another."""
    for process in psutil.Process().children():
        if str(port) in process.cmdline():
            process.children()[0].kill()


def send_while_killing(
    server: DurableServer, work: Work, *, kills: int, also_kill: Callable[[], None] = lambda: None
) -> list[Journal]:
    """Kill PostgreSQL at even parts of the first third of the senders' work, each time while ingest runs.

    Two thirds are left after the last kill, so a kill that comes late still finds a sender at work.
    """
    answers_in_all = SENDERS * -(-work.events // work.events_per_batch)
    with senders(work, SENDERS) as processes:
        for kill in range(1, kills + 1):
            await_that(lambda due=answers_in_all * kill // (3 * kills): answers(work.journals) >= due)  # type: ignore[misc]
            server.await_running_ingest(at_least=1 if work.port else 2)
            server.kill()
            also_kill()
            # While it recovers no sender gets ahead: on a busy machine they would be done before we look again.
            with at_rest(processes):
                server.restart()
        finish(processes)
    return read_journals(work.journals)


@contextmanager
def at_rest(processes: Iterable[BaseProcess]) -> Iterator[None]:
    """Stop the processes for the time of the block; those that have ended stay ended."""
    resting = [psutil.Process(process.pid) for process in processes if process.is_alive()]
    for process in resting:
        with suppress(psutil.NoSuchProcess):  # it ended just now
            process.suspend()
    yield
    for process in resting:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def verdict_of_nothing(events: int) -> list[str]:
    shown = ", ".join(sorted(ids(events))[:NAMED_MAX])
    return [f"{events} events not stored: {shown}"]
