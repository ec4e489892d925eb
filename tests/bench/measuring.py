"""One run of the bench: its rounds, its storms, and its report."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from tests.bench.filling import empty_ledger, fill_ledger
from tests.bench.load import Load, generator, measure
from tests.bench.raw import copy_rows
from tests.bench.requests import PATHS, authorizations
from tests.bench.rig import CHECKOUT, Server
from tests.bench.rows import MANY, Figure, Measure, Row, Rows, take
from tests.bench.subjects import STORM_QUOTA, Subjects
from tests.bench.table import summary, table

STORM_SECONDS: Final = 1.5
LOG_LINES: Final = 30_000
# A row's yardstick may be a row that has one itself.
YARDSTICKS_DEEP: Final = 3
LEAST_EMPTY, LEAST_LARGE = 0.4, 0.33


@dataclass
class Bench:
    """Measures rounds of rows, one row after the other."""

    seconds: float
    url: str
    servers: Mapping[str, Server]
    postmaster: int
    subjects: Subjects
    only: str = ""
    rounds: list[dict[str, Figure]] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    storms: list[str] = field(default_factory=list)

    def take_round(self, number: int) -> None:
        """Measure all rows once. Batches come first, while the ledger is empty."""
        rows = Rows(self.servers, self.subjects, f"r{number}")
        empty_ledger(self.url)
        figures = self._take(
            [
                rows.bare(),
                *rows.batches("empty", LEAST_EMPTY, self._copy),
                self._import(number),
                *rows.calls(),
                *rows.calls_on_the_long_way(),
                *rows.calls_of_many(),
                *rows.without_row_security(),
                *rows.adopter(),
                *rows.calls_on_redis(),
                rows.bare("bare.again"),
            ]
        )
        self.rounds.append(figures)
        for name in ("ours", "redis"):
            if name in self.servers and "storm".startswith(self.only):
                self._storm(name, number)

    def take_large_ledger(self, events: int, *, rounds: int) -> None:
        """Fill a ledger, and measure batches and single calls there."""
        size = f"{events // 1_000_000}M"
        _tell(f"filling a ledger of {events:,} events")
        empty_ledger(self.url)
        fill_ledger(self.url, tenant=self.subjects.tenant_id, events=events)
        for number in range(rounds):
            rows = Rows(self.servers, self.subjects, f"large{number}")
            self.rounds[number] |= self._take([*rows.batches(size, LEAST_LARGE, self._copy), *rows.growth(size)])

    def report(self) -> str:
        """Return the machine, the table, the lines for programs, and the noise."""
        rows = list(self.rows.values())
        bare = [
            figures["bare"].cpu_us / figures["bare.again"].cpu_us for figures in self.rounds if "bare.again" in figures
        ]
        others = [figure.others for figures in self.rounds for figure in figures.values()]
        head = (
            f"{os.cpu_count()} cores for the load generator ({Path(generator()[-1]).name}), two server processes and"
            f" PostgreSQL (fsync on); {self.seconds:g} s a row, {len(self.rounds)} rounds\n"
            "server, pg, client: microseconds of CPU a request, or an event of a batch; others: the share of the"
            " machine that other processes used meanwhile"
        )
        noise = (
            f"noise others_median={median(others):.3f} others_max={max(others):.3f}"
            f" bare_cpu_first_to_last={median(bare or [1.0]):.3f} load_average={os.getloadavg()[0]:.1f}"
        )
        parts = [head, table(self.rounds, rows), summary(self.rounds, rows), "\n".join(self.storms), noise]
        return "\n\n".join(parts) + "\n"

    def _take(self, rows: list[Row]) -> dict[str, Figure]:
        trees = {"pg": self.postmaster} | {name: one.pid for name, one in self.servers.items()}
        by_name = self.rows | {row.name: row for row in rows}
        wanted = {row.name for row in rows if row.name.startswith(self.only)}
        for _ in range(YARDSTICKS_DEEP):
            wanted |= {by_name[name].of for name in wanted}
        figures: dict[str, Figure] = {}
        for row in rows:
            if row.name in wanted:
                _tell(row.name)
                figures[row.name] = take(row, trees, self.seconds)
                self.rows[row.name] = row
        return figures

    def _copy(self, seconds: float) -> Load:
        return copy_rows(self.url, self.subjects.tenant_id, seconds=seconds)

    def _import(self, number: int) -> Row:
        run = partial(_import_log, tenant=self.subjects.slugs[number + 10], tag=str(number))
        return Row("import", run, clients=1, of="batch.empty", by=Measure.RATE, least=0.5, warm_seconds=0)

    def _storm(self, name: str, number: int) -> None:
        """Send more than a hard quota allows, and note how many were admitted."""
        keys = [self.subjects.storms[2 * number + (name == "redis")]]
        load = measure(
            self.servers[name].port, authorizations(keys, f"storm{number}"), clients=MANY, seconds=STORM_SECONDS
        )
        admitted = load.statuses.get(200, 0)
        self.storms.append(
            f"storm name={name} requests={sum(load.statuses.values())} quota={STORM_QUOTA} admitted={admitted}"
            f" over={max(0, admitted - STORM_QUOTA)}"  # fewer than the quota: the machine was too slow to reach it
        )


def _import_log(seconds: float, *, tenant: str, tag: str) -> Load:
    """Import an access log by the command, and return the rate that it reports. It is measured to its end."""
    now = datetime.now(UTC)
    with TemporaryDirectory() as folder:
        log = Path(folder) / f"access-{tag}.log"
        log.write_text("".join(_log_line(number, tag, now) for number in range(LOG_LINES)))
        command = [sys.executable, "manage.py", "import_access_log", str(log), "--tenant", tenant]
        told = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=300).stdout
    found = re.search(r"^speed +([\d,]+) events/s", told, re.MULTILINE)
    assert found is not None, told
    rate = int(found[1].replace(",", ""))
    return Load(responses=LOG_LINES, seconds=LOG_LINES / rate, p50_ms=0, p99_ms=0, client_us=0, statuses={0: LOG_LINES})


def _log_line(number: int, tag: str, now: datetime) -> str:
    """Return a line in the combined format."""
    at = now - timedelta(seconds=(LOG_LINES - number) / 10)
    return (
        f"192.0.2.{number % 250} - user-{number % 97} [{at:%d/%b/%Y:%H:%M:%S +0000}]"
        f' "GET {PATHS[number % 4]}?n={tag}-{number} HTTP/1.1" {200 if number % 20 else 404} {number % 4096}'
        ' "-" "curl/8"\n'
    )


def _tell(name: str) -> None:
    """Print what is measured now, for the person who waits."""
    sys.stderr.write(f"measuring: {name}\n")
