"""A process that seals March and kills itself at the step that is its argument."""

import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import UTC, date, datetime
from typing import Any

import django

django.setup()

from accounts.domain.reach import WayIn, way_in  # noqa: E402 - after the set-up
from metering.lake.domain.parts import Part  # noqa: E402
from metering.lake.gateways.iceberg import Lake  # noqa: E402
from metering.lake.gateways.part_files import PartStream, WrittenPart  # noqa: E402
from metering.lake.services.sealing import seal_month  # noqa: E402


class KilledLake(Lake):
    """A lake whose process dies before a file of events is written, or before or after they are in the table."""

    step = sys.argv[1]

    def stream(self, executor: Executor, part: Part) -> PartStream:
        """Kill the process before a part of the first day with events."""
        if self.step == "begun" and part.starts_on == date(2026, 3, 10):
            die()
        return super().stream(executor, part)

    def commit(self, parts: Sequence[WrittenPart]) -> None:
        """Kill the process before or after parts with rows are in the table, before that is recorded."""
        has_rows = any(part.files for part in parts)
        if has_rows and self.step == "written":
            die()
        super().commit(parts)
        if has_rows and self.step == "committed":
            die()


def die() -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from metering.lake.gateways import iceberg

    iceberg.Lake = KilledLake  # type: ignore[misc]
    with way_in(WayIn.JOBS):
        seal_month(month=date(2026, 3, 1), as_of=datetime.now(UTC), progress=lambda _part: None)
