"""Faults on demand, for every fake: planned for one call, or a storm that draws a fault for each call by a seed.

A call is answered by an error, or not at all, before or after its effect. Before the effect nothing happened; after it
the caller cannot know. The fakes' deliveries have modes of their own for copies, reordering and delays.
"""

import random
import re
import time
from dataclasses import dataclass

LOST = 0  # the connection drops without a response
TIMEOUT = -1  # no response for so long that the caller gives up; then the connection drops
TOO_MANY = 429
STATUSES = (LOST, TIMEOUT, TOO_MANY, 500)
AFTER_RATE = 0.5
# Of a storm. A caller that sees the connection drop cannot tell how long it would have waited.
SECONDS_OF_TIMEOUT = 0.02


@dataclass
class Fault:
    """A fault of one call, `times` more calls like it, or of whatever a storm draws."""

    path: str
    status: int
    method: str = "*"
    times: int = 1
    is_after: bool = False
    message: str = "An unknown error occurred"
    code: str | None = None
    seconds: float = SECONDS_OF_TIMEOUT

    def fits(self, method: str, path: str) -> bool:
        """Return whether it is a fault of this call."""
        return self.times > 0 and self.method in {"*", method} and re.fullmatch(self.path, path) is not None


class Faults:
    """The faults that are planned, and the storm, if there is one."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all plans, and end the storm."""
        self.planned: list[Fault] = []
        self.chance = random.Random()  # noqa: S311 - no secret depends on it
        self.rate = 0.0
        self.drawn: dict[str, int] = {}

    def plan(self, fault: Fault) -> None:
        """Plan a fault: the first plan that fits a call is used."""
        self.planned.append(fault)

    def begin_storm(self, *, seed: int, rate: float) -> None:
        """Draw a fault for each call with this probability from now on, the same ones for the same seed and calls."""
        self.chance, self.rate = random.Random(seed), rate  # noqa: S311 - no secret depends on it

    def end_storm(self) -> None:
        """End the storm; plans stay."""
        self.rate = 0.0

    def next(self, method: str, path: str) -> Fault | None:
        """Return the fault of this call, if it has one."""
        for fault in self.planned:
            if fault.fits(method, path):
                fault.times -= 1
                return fault
        if self.rate and self.chance.random() < self.rate:
            status = self.chance.choice(STATUSES)
            # Too many requests are refused before anything happens.
            is_after = status != TOO_MANY and self.chance.random() < AFTER_RATE
            kind = f"{status}{' after' if is_after else ''}"
            self.drawn[kind] = self.drawn.get(kind, 0) + 1
            return Fault(path, status, is_after=is_after)
        return None

    @staticmethod
    def wait(fault: Fault) -> None:
        """Hold the connection of a call that times out. The caller holds no lock of the fake."""
        if fault.status == TIMEOUT:
            time.sleep(fault.seconds)
