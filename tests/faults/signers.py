"""Real processes that sign a ledger's days, one of which may stop at a step and wait to be killed."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from django.db import connection

from metering.domain.ledger import Ledger
from metering.proofs.models import DayRoot
from metering.proofs.selectors.leaves import Half
from metering.proofs.selectors.roots import latest_days
from metering.proofs.services import day_signing
from metering.proofs.services.verification import verify_ledgers
from tests.faults.closers import Step, stop_at, wait_at_the_gate
from tests.faults.processes import FORK_SERVER, connect_to
from tests.metering.ledger_world import make_meter, send

FIRST: Final = date(2026, 3, 10)
DAYS: Final = 6
SIGNED_AT: Final = datetime(2026, 3, 16, 0, 20, tzinfo=UTC)
# Each within the transaction of a day, but the last.
STEPS: Final = {
    "with the day's leaves stored": Step(day_signing, "_store_blocks"),
    "with the roots of its blocks read": Step(day_signing, "_block_roots"),
    "with the day's root signed": Step(day_signing, "_row_of"),
    "after the day's commit": Step(day_signing, "_sign_page"),
}


@dataclass(frozen=True)
class Signing:
    """Whose days are signed. `locks` is off in the control."""

    database_url: str
    ledger: Ledger
    directory: Path
    locks: bool = True

    @property
    def reached(self) -> Path:
        """Return the path of a file that exists once the doomed process is at its step."""
        return self.directory / "reached"


def prepare(work: Signing, type_: str) -> None:
    """Store five events on each of the days."""
    connect_to(work.database_url)
    make_meter(type_, type_)
    for number in range(DAYS):
        at = datetime(2026, 3, 10 + number, 12, tzinfo=UTC)
        send(work.ledger, [{"id": f"{number}-{one}", "type": type_} for one in range(5)], as_of=at)


def sign(work: Signing, doomed_at: str = "") -> None:
    """Sign what is due. With `doomed_at`, stop there until the process is killed."""
    connect_to(work.database_url)
    if not work.locks:
        leave_the_lock_out()
    if doomed_at:
        stop_at(STEPS[doomed_at], work.reached)
    wait_at_the_gate()
    day_signing.sign_days(as_of=SIGNED_AT, halves=[(work.ledger.tenant_id, work.ledger.is_live)])


def leave_the_lock_out() -> None:
    """Read which day is due, and take no lock, as a control: each process believes that it alone signs."""
    fetch = day_signing.fetch_all

    def without_lock(statement: str, parameters: Mapping[str, object] = MappingProxyType({})) -> list[tuple[Any, ...]]:
        return [] if "pg_advisory_xact_lock" in statement else fetch(statement, parameters)

    def slow(halves: Sequence[Half]) -> Mapping[Half, date | None]:
        found = latest_days(halves)
        if connection.in_atomic_block:
            time.sleep(0.3)  # as long as a busy machine may take between two statements
        return found

    day_signing.fetch_all = without_lock
    day_signing.latest_days = slow


def sign_again(work: Signing, report: Path) -> None:
    """Sign as the schedule would the next night, and report what is signed and what breaks."""
    connect_to(work.database_url)
    day_signing.sign_days(as_of=SIGNED_AT, halves=[(work.ledger.tenant_id, work.ledger.is_live)])
    rows = DayRoot.objects.filter(tenant_id=work.ledger.tenant_id).order_by("day")
    said = [f"{row.day - FIRST == timedelta(days=number)} {row.leaves}" for number, row in enumerate(rows)]
    breaks = verify_ledgers(ledgers=[work.ledger], as_of=SIGNED_AT).breaks
    report.write_text("\n".join([*said, *map(str, breaks)]))


@contextmanager
def signers(work: Signing, count: int, *, doomed_at: str = "") -> Iterator[list[BaseProcess]]:
    """Start so many processes, the first of them doomed. Whatever happens, none outlives the block."""
    fates = [doomed_at] + [""] * (count - 1)
    processes: list[BaseProcess] = [FORK_SERVER.Process(target=sign, args=(work, fate)) for fate in fates]
    try:
        yield processes
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join(120)
