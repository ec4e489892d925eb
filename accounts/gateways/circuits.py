"""Circuit breakers, shared by all processes: an unavailable service is not called for a while.

Three failures in a row open a circuit. While it is open no call is made. After a pause one caller tries; if it succeeds
the circuit closes, if not the next pause is twice as long. The rows are in PostgreSQL, and only its clock counts, so
processes and machines agree. Source: M. Nygard, Release It!, "Circuit Breaker".
"""

from dataclasses import dataclass
from typing import Final

from accounts.sql import fetch_all

FAILURES_MAX: Final = 3
PAUSE_SECONDS: Final = 30
PAUSE_SECONDS_MAX: Final = 300
# If the caller that tries dies, the next one gets its turn after this time.
PROBE_SECONDS: Final = 90
ERROR_CHARACTERS_MAX: Final = 300

# An UPDATE waits for another of the same row and then looks at its condition again: so one caller gets the turn.
ADMIT: Final = """
WITH probe AS (
    UPDATE accounts_circuit SET probe_until = statement_timestamp() + %(probe_seconds)s::int * interval '1 second'
    WHERE name = %(name)s AND open_until <= statement_timestamp()
        AND (probe_until IS NULL OR probe_until <= statement_timestamp())
    RETURNING 1
)
SELECT failures, open_until IS NOT NULL, EXISTS (SELECT FROM probe),
    greatest(ceil(extract(epoch FROM greatest(open_until, probe_until) - statement_timestamp())), 1)::int
FROM accounts_circuit WHERE name = %(name)s
"""
CLOSE: Final = """
UPDATE accounts_circuit
SET failures = 0, trips = 0, error = '', opened_at = NULL, open_until = NULL, probe_until = NULL
WHERE name = %(name)s
"""
# A failure opens the circuit if it is the third, or that of the caller that tried. Late failures of calls made before
# it opened only count.
FAIL: Final = """
INSERT INTO accounts_circuit AS c (name, failures, trips, failed_at, error)
VALUES (%(name)s, 1, 0, statement_timestamp(), %(error)s)
ON CONFLICT (name) DO UPDATE SET (failures, failed_at, error, trips, opened_at, open_until, probe_until) = (
    SELECT c.failures + 1, excluded.failed_at, excluded.error, c.trips + opens::int,
        CASE WHEN opens THEN coalesce(c.opened_at, statement_timestamp()) ELSE c.opened_at END,
        CASE WHEN opens THEN statement_timestamp() + interval '1 second'
            * least(%(pause_seconds)s::int * 2 ^ least(c.trips, 10), %(pause_seconds_max)s::int) ELSE c.open_until END,
        CASE WHEN opens THEN NULL ELSE c.probe_until END
    FROM (SELECT %(is_probe)s::bool OR (c.open_until IS NULL AND c.failures + 1 >= %(failures_max)s::int)) AS o (opens)
)
"""


class CircuitOpenError(Exception):
    """The service failed several times in a row and is not called now. `seconds` says when it is tried again."""

    def __init__(self, name: str, seconds: int) -> None:
        super().__init__(f"{name} has not answered several times, and is tried again in {seconds} s.")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Admission:
    """The permission to make a call. `is_probe` if the call tries whether the circuit can be closed."""

    name: str
    is_clean: bool
    is_probe: bool


def admit(name: str) -> Admission:
    """Return the permission to make a call. Raises `CircuitOpenError`."""
    found = fetch_all(ADMIT, {"name": name, "probe_seconds": PROBE_SECONDS})
    if not found:
        return Admission(name, is_clean=True, is_probe=False)
    [(failures, is_open, is_probe, seconds)] = found
    if is_open and not is_probe:
        raise CircuitOpenError(name, seconds)
    return Admission(name, is_clean=not failures, is_probe=is_probe)


def record_success(admission: Admission) -> None:
    """Close the circuit, and forget earlier failures. Write nothing if there are none."""
    if not admission.is_clean:
        fetch_all(CLOSE, {"name": admission.name})


def record_failure(admission: Admission, error: str) -> None:
    """Count a failed call."""
    fetch_all(
        FAIL,
        {
            "name": admission.name,
            "error": error[:ERROR_CHARACTERS_MAX],
            "is_probe": admission.is_probe,
            "failures_max": FAILURES_MAX,
            "pause_seconds": PAUSE_SECONDS,
            "pause_seconds_max": PAUSE_SECONDS_MAX,
        },
    )
