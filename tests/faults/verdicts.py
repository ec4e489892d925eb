"""The conclusions of the fault tests from journals, tables and the application's own reconciliation."""

from collections.abc import Sequence
from pathlib import Path

from metering.domain.ledger import Ledger
from tests.faults.books import wrongs
from tests.faults.durable import DurableServer
from tests.faults.processes import Journal, report_drifts, run_apart


def journals_in(directory: Path) -> Path:
    """Create an empty directory for the senders' journals."""
    journals = directory / "journals"
    journals.mkdir()
    return journals


def verdict(server: DurableServer, ledger: Ledger, journals: Sequence[Journal], *, events: int) -> list[str]:
    """List what is wrong, if so many events were sent."""
    acknowledged = {id_ for journal in journals for id_ in journal.acknowledged}
    with server.connect() as connection:
        return wrongs(connection, ledger, expected=ids(events), acknowledged=acknowledged)


def drifts(server: DurableServer, ledger: Ledger, directory: Path) -> str:
    """List what the application's own reconciliation finds."""
    report = directory / "drifts.txt"
    run_apart(report_drifts, server.url, ledger.tenant_id, report)
    return report.read_text()


def answers(journals: Path) -> int:
    """Count the batches that were acknowledged. The call is cheap, for waiting in a loop."""
    return sum(path.read_bytes().count(b'"duplicates"') for path in journals.glob("*.jsonl"))


def ids(events: int) -> set[str]:
    """Return the ids of that many events."""
    return {f"event-{number}" for number in range(events)}
