"""A run at another time: the meaning of CLOCK, and that other processes have the same time."""

import os
import subprocess
import sys
import time

import pytest

from tests.clock_plugin import environment_of_children, offset_seconds

NOON = 1_795_000_000.0


@pytest.mark.parametrize(
    ("clock", "seconds"), [("+40d", 3_456_000), ("-3h", -10_800), ("+90m", 5_400), ("-1s", -1), ("+0d", 0)]
)
def test_a_clock_offset_is_a_number_with_its_unit(clock: str, seconds: int) -> None:
    assert offset_seconds(clock, now_seconds=NOON) == seconds


def test_a_clock_instant_becomes_its_distance_from_now() -> None:
    assert offset_seconds("1970-01-01T00:10Z", now_seconds=400) == 200
    assert offset_seconds("1970-01-01T02:10+02:00", now_seconds=400) == 200


@pytest.mark.parametrize("clock", ["40d", "+40", "+40w", "tomorrow", "2028-02-30T10:00Z", "2028-02-29T10:00"])
def test_any_other_clock_value_is_refused(clock: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        offset_seconds(clock, now_seconds=NOON)


@pytest.mark.parametrize("beyond_seconds", [-10_000_000, 40_000_000])
def test_a_process_that_a_shifted_run_starts_has_its_time(beyond_seconds: int) -> None:
    ours = float(os.environ.get("COUNTINGHOUSE_CLOCK_OFFSET_SECONDS", "0"))
    program = (
        "import time; from datetime import UTC, datetime; print(time.time(), datetime.now(UTC).timestamp(), "
        "time.monotonic())"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment_of_children(ours + beyond_seconds),
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout.split()  # fmt: skip
    of_time, of_datetime, monotonic = map(float, told)
    assert of_time - time.time() == pytest.approx(beyond_seconds, abs=60)
    assert of_datetime - time.time() == pytest.approx(beyond_seconds, abs=60)
    assert monotonic == pytest.approx(time.monotonic(), abs=60)
