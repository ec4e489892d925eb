"""A load generator that costs little: processes with one kept-alive connection each, and requests built beforehand.

It knows just enough HTTP to count responses and to notice one that is not the one expected.
"""

import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

FORK = multiprocessing.get_context("fork")
CHUNK_BYTES = 65536
HEAD_END = b"\r\n\r\n"
NANOSECONDS = 1_000_000_000
PREPARATION_SECONDS_MAX = 30
# Called in the client with its number; yields requests for ever.
Requests = Callable[[int], Iterator[bytes]]


@dataclass(frozen=True)
class Load:
    """The result: responses and seconds, and each response's latency in nanoseconds, ascending."""

    answers: int
    seconds: float
    latencies: list[int]

    @property
    def rate(self) -> float:
        """Return the responses a second."""
        return self.answers / self.seconds

    def percentile_ms(self, percent: int) -> float:
        """Return the latency in milliseconds that so many percent of the responses did not exceed."""
        return self.latencies[min(len(self.latencies) * percent // 100, len(self.latencies) - 1)] / 1_000_000


def request_bytes(method: str, path: str, body: bytes = b"", key: str = "") -> bytes:
    """Return one request as it is sent over the line."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure(port: int, requests: Requests, *, clients: int, seconds: float, expected: int) -> Load:
    """Measure so many clients, each sending as fast as it gets responses."""
    barrier = FORK.Barrier(clients)
    pipes = [FORK.Pipe(duplex=False) for _ in range(clients)]
    processes = [
        FORK.Process(target=_client, args=(port, requests, number, seconds, expected, barrier, sender))
        for number, (_, sender) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    for _, sender in pipes:
        sender.close()  # so that a client's death is the end of its pipe
    results = [receiver.recv() for receiver, _ in pipes]
    for process in processes:
        process.join(3600)
    latencies = sorted(latency for measured, _ in results for latency in measured)
    return Load(answers=len(latencies), seconds=max(elapsed for _, elapsed in results), latencies=latencies)


def _client(
    port: int, requests: Requests, number: int, seconds: float, expected: int, barrier: Barrier, sender: Connection
) -> None:
    made = requests(number)
    latencies: list[int] = []
    first = next(made)  # whatever is prepared beforehand is prepared here
    with socket.create_connection(("127.0.0.1", port), timeout=PREPARATION_SECONDS_MAX) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _exchange(line, first, expected)  # the server's first request on a connection opens its own to the database
        barrier.wait(PREPARATION_SECONDS_MAX)  # broken if another client has failed
        started = now = time.perf_counter_ns()
        until = started + int(seconds * NANOSECONDS)
        for request in made:
            _exchange(line, request, expected)
            before, now = now, time.perf_counter_ns()
            latencies.append(now - before)
            if now >= until:
                break
    sender.send((latencies, (now - started) / NANOSECONDS))


def _exchange(line: socket.socket, request: bytes, expected: int) -> None:
    line.sendall(request)
    answer = b""
    while HEAD_END not in answer:
        chunk = line.recv(CHUNK_BYTES)
        assert chunk, "the server hung up"
        answer += chunk
    head, _, body = answer.partition(HEAD_END)
    lowered = head.lower()
    length = int(lowered.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += line.recv(CHUNK_BYTES)
    status = int(head[9:12])
    assert status == expected, f"{status} instead of {expected}: {body[:500]!r}"
