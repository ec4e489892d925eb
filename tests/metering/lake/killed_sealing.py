"""A process that seals March and kills itself at a step of the first day with events: its argument."""

import os
import signal
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import django

django.setup()

from accounts.domain.reach import WayIn, way_in  # noqa: E402 - after the set-up
from metering.lake.domain.parts import Part  # noqa: E402
from metering.lake.gateways.iceberg import Lake  # noqa: E402
from metering.lake.services.sealing import seal_month  # noqa: E402


class KilledLake(Lake):
    """A lake whose process dies before or after it has written, or before the parts are compared."""

    step = sys.argv[1]

    def replace(self, part: Part, file: Path) -> None:
        """Kill the process before or after a part with rows is written."""
        has_rows = file.stat().st_size > 0
        if has_rows and self.step == "copied":
            die()
        super().replace(part, file)
        if has_rows and self.step == "written":
            die()

    def size(self, part: Part) -> tuple[int, int]:
        """Kill the process before the content that was compared is stored."""
        size = super().size(part)
        if size[0] and self.step == "compared":
            die()
        return size


def die() -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from metering.lake.gateways import iceberg

    iceberg.Lake = KilledLake  # type: ignore[misc]
    with way_in(WayIn.JOBS):
        seal_month(month=date(2026, 3, 1), as_of=datetime.now(UTC), progress=lambda _part: None)
