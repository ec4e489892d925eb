"""A line to PostgreSQL that passes a statement on and loses its response: the ambiguous retry, on purpose.

Of the retries after a killed backend nearly half had in fact been committed, so a client that retries is the normal
case.
"""

import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.faults.durable import DATABASE, DurableServer

SOCKET_NAME = ".s.PGSQL.5432"
CHUNK_BYTES = 65536
INGEST_TEXT = b"WITH gate AS"
# CommandComplete of a SELECT, then ReadyForQuery outside of a transaction: what a statement that committed by itself
# ends with.
COMMITTED = re.compile(rb"C....SELECT \d+\x00Z\x00\x00\x00\x05I", re.DOTALL)
# What a statement that failed says: a batch with a known event is stored by a second statement.
REFUSED = b"VERROR\x00"


@dataclass
class Losses:
    """Every second response to a commit is lost, beginning with the first, until so many were."""

    to_come: int
    done: int = 0
    commits: int = 0

    def next_is_lost(self) -> bool:
        """Return whether the response to the commit that passes now will be lost."""
        self.commits += 1
        if self.commits % 2 == 0 or not self.to_come:
            return False
        self.to_come -= 1
        self.done += 1
        return True


@contextmanager
def lossy_line(server: DurableServer, losses: Losses) -> Iterator[str]:
    """Return a database URL through which the responses to the first so many ingest statements never arrive."""
    directory = Path(tempfile.mkdtemp(prefix="lossy-"))  # a short path, as sockets need
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / SOCKET_NAME))
        listener.listen()
        threading.Thread(target=_accept, args=(listener, str(server.cluster.socket_dir / SOCKET_NAME), losses)).start()
        try:
            yield f"postgres://postgres@/{DATABASE}?host={quote(str(directory), safe='/')}&port=5432"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    shutil.rmtree(directory)


def _accept(listener: socket.socket, upstream: str, losses: Losses) -> None:
    with suppress(OSError):  # the listener is closed at the end
        while True:
            client, _ = listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(upstream)
            call = _Call(client, server, losses)
            threading.Thread(target=call.carry_questions).start()
            threading.Thread(target=call.carry_answers).start()


class _Call:
    """One connection through the line."""

    def __init__(self, client: socket.socket, server: socket.socket, losses: Losses) -> None:
        self.client, self.server, self.losses = client, server, losses
        self.stores = False

    def carry_questions(self) -> None:
        with suppress(OSError):
            while chunk := self.client.recv(CHUNK_BYTES):
                if INGEST_TEXT in chunk:
                    self.stores = True
                self.server.sendall(chunk)
        self._hang_up()

    def carry_answers(self) -> None:
        tail = b""
        with suppress(OSError):
            while chunk := self.server.recv(CHUNK_BYTES):
                tail = tail[-100:] + chunk
                if REFUSED in tail:
                    self.stores, tail = False, b""
                elif self.stores and COMMITTED.search(tail):
                    self.stores = False
                    if self.losses.next_is_lost():
                        break
                self.client.sendall(chunk)
        self._hang_up()

    def _hang_up(self) -> None:
        for side in (self.client, self.server):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
