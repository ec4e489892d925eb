"""The load generator for a machine without a C compiler: takes and prints what `load.c` does, at ten times its cost."""

import re
import resource
import selectors
import socket
import sys
import time
from itertools import cycle

CHUNK_BYTES = 65536
PATIENCE_SECONDS = 60
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection:
    """One kept-alive connection, and the response that it waits for."""

    def __init__(self, port: int) -> None:
        self.line = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""
        self.sent_at = 0

    def send(self, request: bytes) -> None:
        """Send one request."""
        self.answer, self.sent_at = b"", time.perf_counter_ns()
        self.line.sendall(request)

    def receive(self) -> bool:
        """Read what has arrived. Return whether the response is complete."""
        chunk = self.line.recv(CHUNK_BYTES)
        assert chunk, "the server hung up"
        self.answer += chunk
        head, end, body = self.answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length or not end, "a response without content-length"
        return bool(end) and length is not None and len(body) >= int(length[1])


class Generator:
    """Sends numbered requests, and counts responses by status."""

    def __init__(self, requests: list[bytes], first: int) -> None:
        self.parts = cycle([request.split(b"#" * 12) for request in requests])
        self.number = first
        self.latencies: list[int] = []
        self.statuses: dict[int, int] = {}
        self.samples: dict[int, bytes] = {}

    def next_request(self) -> bytes:
        """Return the next request, with its numbers."""
        first, *others = next(self.parts)
        made = [first]
        for part in others:
            made += (b"%012d" % self.number, part)
            self.number += 1
        return b"".join(made)

    def run(self, connections: list[Connection], until: int) -> None:
        """Send until then (0: one request a connection), and wait for the responses under way."""
        with selectors.DefaultSelector() as selector:
            for connection in connections:
                selector.register(connection.line, selectors.EVENT_READ, connection)
                connection.send(self.next_request())
            while selector.get_map():
                ready = selector.select(PATIENCE_SECONDS)
                assert ready, "no response within a minute"
                for key, _ in ready:
                    connection = key.data
                    if not connection.receive():
                        continue
                    at = time.perf_counter_ns()
                    status = int(connection.answer[9:12])
                    self.statuses[status] = self.statuses.get(status, 0) + 1
                    self.samples.setdefault(status, connection.answer.partition(b"\r\n\r\n")[2][:300])
                    if at < until:
                        self.latencies.append(at - connection.sent_at)
                        connection.send(self.next_request())
                    else:
                        selector.unregister(connection.line)


def main() -> None:
    """Read the requests, send them, and print the facts."""
    port, count, seconds, first = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    requests = []
    while length := sys.stdin.buffer.readline():
        requests.append(sys.stdin.buffer.read(int(length)))
    connections = [Connection(port) for _ in range(count)]
    generator = Generator(requests, first)
    generator.run(connections, 0)
    before = resource.getrusage(resource.RUSAGE_SELF)
    generator.run(connections, time.perf_counter_ns() + int(seconds * 1e9))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    latencies = sorted(generator.latencies)
    facts = [f"responses {len(latencies)}", f"seconds {seconds}", f"client_us {cpu * 1e6:.0f}"]
    facts += [
        f"p{percent}_us {latencies[len(latencies) * percent // 100] / 1e3:.1f}" for percent in (50, 99) if latencies
    ]
    facts += [f"status {status} {number}" for status, number in sorted(generator.statuses.items())]
    facts += [f"sample {status} {' '.join(text.decode().split())}" for status, text in generator.samples.items()]
    print("\n".join(facts))


if __name__ == "__main__":
    main()
