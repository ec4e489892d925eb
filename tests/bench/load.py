"""Load on a web server: starts the generator, which is `load.c`, or `load_client.py` if there is no C compiler.

A request is given as bytes; each run of twelve `#` in it becomes a number that no other request has.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Final

NUMBER: Final = "#" * 12
PATIENCE_SECONDS: Final = 180
# Numbers that one run may use.
NUMBERS_A_RUN: Final = 10**9
_FOLDER: Final = Path(__file__).parent
_runs: Final = count(1)


class UnexpectedStatusError(Exception):
    """The server responded with another status than the load expects."""


@dataclass(frozen=True)
class Load:
    """The result of a load: responses within the time, latencies, the generator's own CPU, and all statuses."""

    responses: int
    seconds: float
    p50_ms: float
    p99_ms: float
    client_us: float
    statuses: dict[int, int]

    @property
    def rate(self) -> float:
        """Return the responses a second."""
        return self.responses / self.seconds


NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


def request_bytes(
    method: str, path: str, body: bytes = b"", key: str = "", headers: Mapping[str, str] = NO_HEADERS
) -> bytes:
    """Return one request as it is sent over the line."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}{more}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure(port: int, requests: Sequence[bytes], *, clients: int, seconds: float, expected: int | None = None) -> Load:
    """Send the requests in turn over so many connections, each as fast as it gets responses.

    Raises `UnexpectedStatusError` if a status differs from the expected one, if any is.
    """
    first = next(_runs) * NUMBERS_A_RUN
    outcome = subprocess.run(
        [*generator(), str(port), str(clients), str(seconds), str(first)],
        input=b"".join(b"%d\n%s" % (len(request), request) for request in requests),
        capture_output=True,
        check=False,
        timeout=seconds + PATIENCE_SECONDS,
    )
    if outcome.returncode:
        raise RuntimeError(outcome.stderr.decode(errors="replace"))
    facts, statuses, samples = _facts_of(outcome.stdout.decode(errors="replace"))
    if expected is not None and set(statuses) != {expected}:
        raise UnexpectedStatusError(f"{statuses} instead of {expected} alone: {samples}")
    responses = int(facts["responses"])
    return Load(
        responses=responses,
        seconds=facts["seconds"],
        p50_ms=facts.get("p50_us", 0) / 1000,
        p99_ms=facts.get("p99_us", 0) / 1000,
        client_us=facts["client_us"] / max(responses, 1),
        statuses=statuses,
    )


@cache
def generator() -> tuple[str, ...]:
    """Return the command of the generator: compiled once per process, if there is a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return sys.executable, str(_FOLDER / "load_client.py")
    program = Path(tempfile.mkdtemp(prefix="countinghouse-load-")) / "load"
    subprocess.run([compiler, "-O2", "-o", str(program), str(_FOLDER / "load.c")], check=True, timeout=60)
    return (str(program),)


def _facts_of(text: str) -> tuple[dict[str, float], dict[int, int], list[str]]:
    """Read the output: one fact a line."""
    lines = [line.split(" ", 2) for line in text.splitlines()]
    facts = {name: float(value) for name, value, *more in lines if not more}
    statuses = {int(status): int(more[0]) for name, status, *more in lines if name == "status"}
    return facts, statuses, [" ".join(line) for line in lines if line[0] == "sample"]
