"""Lets a whole test run happen at another time: `make test CLOCK=+40d`, or any other offset, or an instant.

The clock of this process is shifted and ticks on. Every Python process below it finds the offset in its environment
and, through `shifted_processes/sitecustomize.py`, shifts its own. Only the time of day is: waiting and measuring go by
the monotonic clock. PostgreSQL keeps the machine's clock, since no statement of the product asks it for the time;
docs/decisions/0014 says why.
"""

import os
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import time_machine

CLOCK_VARIABLE = "COUNTINGHOUSE_CLOCK"
OFFSET_VARIABLE = "COUNTINGHOUSE_CLOCK_OFFSET_SECONDS"
SHIFTED_PROCESSES = Path(__file__).resolve().parent / "shifted_processes"
SECONDS_OF_UNIT = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def offset_seconds(clock: str, *, now_seconds: float) -> float:
    """Return how far `clock` is from now: an offset such as `+40d` or `-3h`, or an instant with its zone.

    Raise `ValueError` for any other text.
    """
    if found := re.fullmatch(r"([+-]\d+)([dhms])", clock):
        return int(found[1]) * SECONDS_OF_UNIT[found[2]]
    instant = datetime.fromisoformat(clock)
    if instant.tzinfo is None:
        raise ValueError(f"{clock} has no zone")
    return instant.timestamp() - now_seconds


def environment_of_children(offset: float) -> dict[str, str]:
    """Return the variables by which a Python process shifts its own clock at its start."""
    paths = [str(SHIFTED_PROCESSES), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {OFFSET_VARIABLE: str(offset), "PYTHONPATH": os.pathsep.join(paths)}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Shift the clock before anything of the project is imported. An xdist worker is shifted already, as a child."""
    clock = os.environ.get(CLOCK_VARIABLE)
    if clock and OFFSET_VARIABLE not in os.environ:
        try:
            offset = offset_seconds(clock, now_seconds=time.time())
        except ValueError as error:
            raise pytest.UsageError(
                f"CLOCK={clock}: give an offset as +40d or -3h, or an instant as 2028-02-29T10:00Z ({error})"
            ) from error
        environment = pytest.MonkeyPatch()
        early_config.add_cleanup(environment.undo)
        for name, value in environment_of_children(offset).items():
            environment.setenv(name, value)
        shift = time_machine.travel(time.time() + offset)
        shift.start()
        early_config.add_cleanup(shift.stop)
    return (yield)


def pytest_report_header() -> str | None:
    """Return the line of the report that says at which time the run happens."""
    if OFFSET_VARIABLE not in os.environ:
        return None
    return f"clock: {datetime.now().astimezone().isoformat(timespec='seconds')} ({os.environ[CLOCK_VARIABLE]})"
