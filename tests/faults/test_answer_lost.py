"""P1, P2: the commit happened and its response did not arrive, or the response arrived and the machine died."""

from pathlib import Path

import pytest

from metering.domain.ledger import Ledger
from tests.faults.durable import DurableServer
from tests.faults.lossy_line import Losses, lossy_line
from tests.faults.processes import Work, finish, read_journals, senders
from tests.faults.verdicts import drifts, ids, journals_in, verdict

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.takes_long("it kills servers")]

BATCHES, EVENTS = 5, 250


def test_a_retry_of_a_commit_whose_response_was_lost_counts_once(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    losses = Losses(to_come=BATCHES)
    with lossy_line(server, losses) as url:
        work = Work(url, ledger, journals_in(tmp_path), events=EVENTS)
        with senders(work, 1) as processes:
            finish(processes)

    (journal,) = read_journals(work.journals)
    assert losses.done == journal.unanswered == BATCHES
    assert journal.accepted == []
    assert set(journal.duplicates) == ids(EVENTS)
    assert verdict(server, ledger, [journal], events=EVENTS) == []
    assert drifts(server, ledger, tmp_path) == ""


def test_control_without_the_claim_of_identities_the_same_retry_counts_twice(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    with lossy_line(server, Losses(to_come=1)) as url:
        work = Work(url, ledger, journals_in(tmp_path), events=50, claims_identity=False)
        with senders(work, 1) as processes:
            finish(processes)

    said = verdict(server, ledger, read_journals(work.journals), events=50)
    assert any("50 events stored more than once" in sentence for sentence in said)


def test_an_acknowledged_event_outlives_a_kill_although_nothing_was_flushed_in_the_background(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    work = Work(server.url, ledger, journals_in(tmp_path), events=50)

    send_then_kill(server, work)

    assert verdict(server, ledger, read_journals(work.journals), events=50) == []


def test_control_without_synchronous_commits_the_same_kill_loses_acknowledged_events(
    server: DurableServer, ledger: Ledger, tmp_path: Path
) -> None:
    work = Work(server.url, ledger, journals_in(tmp_path), events=50, commits_synchronously=False)

    send_then_kill(server, work)

    said = verdict(server, ledger, read_journals(work.journals), events=50)
    assert any("50 events acknowledged and not stored" in sentence for sentence in said)


def send_then_kill(server: DurableServer, work: Work) -> None:
    """Kill PostgreSQL as soon as the last batch is acknowledged, while only a commit itself writes to the log."""
    server.checkpoint_and_stop_wal_writer()
    with senders(work, 1) as processes:
        finish(processes)
        server.kill()
    server.restart()
