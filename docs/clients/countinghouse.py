"""Send usage events to Countinghouse, each counted once, whatever dies on the way. Copy this file into your project.

It needs Python 3.9 or newer on Linux or macOS, and nothing else. `docs/clients/README.md` says what you may rely on.

    import countinghouse
    client = countinghouse.Client("https://billing.example.com", "ch_live_...", spool="/var/lib/myapi/usage")
    client.record("http_request", properties={"resource_path": "/v1/orders", "status": 200})

`countinghouse_web.py`, beside this file, records each response of Django, FastAPI, Starlette and Flask.
"""

from __future__ import annotations

import atexit
import fcntl
import gzip
import http.client
import json
import logging
import os
import random
import re
import threading
import time
import urllib.request
import uuid
import weakref
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

EVENT_BYTES_MAX: Final = 64 * 1024
BATCH_EVENTS_MAX: Final = 500
BATCH_BYTES_MAX: Final = 2 * 1024 * 1024
FULL_BYTES: Final = 256 * 1024  # send at once
SEGMENT_BYTES_MAX: Final = 4 * 1024 * 1024
REJECTED_BYTES_MAX: Final = 16 * 1024 * 1024
BACKOFF_SECONDS: Final = (0.5, 60.0)
ADOPT_EVERY_SECONDS: Final = 30.0
EXIT_SECONDS: Final = 5.0

Event = dict[str, Any]
OnRejected = Callable[[Event, str, str], None]  # event, code, detail
log = logging.getLogger("countinghouse")


class SpoolFullError(Exception):
    """Raised by `record` if the event cannot be kept: the spool has reached its size, or the disk is full."""


class Client:
    """Keeps events in files of the folder `spool`, and sends them from there in batches, by one thread.

    `record` returns once the event is in the file, so a killed process loses nothing: the next client with this folder
    sends what is left. The file is forced to disk each `fsync_seconds`; with 0 by each `record`, so that not even a
    power cut loses an event. Memory holds one batch at most. While `spool_bytes_max` wait, `record` raises
    `SpoolFullError`.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        spool: str | Path = "countinghouse-spool",
        flush_seconds: float = 1.0,
        fsync_seconds: float = 1.0,
        spool_bytes_max: int = 256 * 1024 * 1024,
        timeout_seconds: float = 30.0,
        on_rejected: OnRejected | None = None,
    ) -> None:
        if not re.match(r"https?://[^/]", url):
            raise ValueError(f"The address of Countinghouse begins with http:// or https://, and is not {url!r}.")
        self._call = _Call(url.rstrip("/") + "/api/v1/events", key, timeout_seconds)
        self._spool = _Spool(Path(spool), spool_bytes_max, is_forced_by_each=fsync_seconds <= 0)
        self._flush_seconds, self._fsync_seconds = flush_seconds, fsync_seconds
        self._on_rejected = on_rejected
        # Of events, and of calls that failed.
        self.counts = dict.fromkeys(("recorded", "accepted", "duplicates", "rejected", "failures"), 0)
        self.last_failure = ""
        self._begin()
        self._start()
        _clients.add(self)
        atexit.register(self.close)

    @classmethod
    def from_environment(cls, **options: Any) -> Client:
        """Create a client by COUNTINGHOUSE_URL, COUNTINGHOUSE_API_KEY and, if set, COUNTINGHOUSE_SPOOL."""
        missing = [name for name in ("COUNTINGHOUSE_URL", "COUNTINGHOUSE_API_KEY") if not os.environ.get(name)]
        if missing:
            raise ValueError(f"Set {' and '.join(missing)} in the environment.")
        if os.environ.get("COUNTINGHOUSE_SPOOL"):
            options.setdefault("spool", os.environ["COUNTINGHOUSE_SPOOL"])
        return cls(os.environ["COUNTINGHOUSE_URL"], os.environ["COUNTINGHOUSE_API_KEY"], **options)

    def record(self, type: str = "http_request", *, id: str | None = None, **fields: Any) -> str:  # noqa: A002 - API
        """Keep one event, to be sent soon. Return its id, which is made unless you give one.

        `fields` are the API's: quantity, subject, properties, timestamp (by default now), tenant (service keys).
        A value that is no JSON is sent as text. Raises `SpoolFullError`; `ValueError` for NaN, and above 64 KiB.
        """
        event = {"id": id or uuid.uuid4().hex, "type": type, "timestamp": _now(), **fields}
        if isinstance(event["timestamp"], datetime):
            event["timestamp"] = event["timestamp"].isoformat()
        line = json.dumps(event, separators=(",", ":"), allow_nan=False, default=str).encode() + b"\n"
        if len(line) > EVENT_BYTES_MAX:
            raise ValueError(f"An event of {len(line):,} bytes is too large.")
        with self._changed:
            if self._is_closing:
                raise RuntimeError("The client is closed.")
            self._spool.append(line)
            if self._thread is None:  # in a forked process
                self._start()
            self.counts["recorded"] += 1
            if not self._has_work or self._spool.waiting_bytes() >= FULL_BYTES:
                self._has_work = True
                self._changed.notify_all()
        return str(event["id"])

    def flush(self, timeout_seconds: float = 30.0) -> bool:
        """Send all that is kept now. Return whether all of it was answered within the time."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            self._is_urgent = True
            self._changed.notify_all()
            while self._spool.waiting_bytes():
                if not self._changed.wait(min(0.1, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    return False
        return True

    def close(self, timeout_seconds: float = EXIT_SECONDS) -> bool:
        """Send what is left, for so long at most, and stop. What could not be sent stays in the spool."""
        is_sent = self.flush(timeout_seconds)
        atexit.unregister(self.close)
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread is not None:
            # With all sent, it ends after forcing a file to disk at the latest; otherwise it may wait for an answer.
            self._thread.join(EXIT_SECONDS if is_sent else 0.1)
        return is_sent

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._has_work = self._is_urgent = self._is_closing = False
        self._adopted_at = self._forced_at = float("-inf")
        self._thread: threading.Thread | None = None

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._send_until_closed, name="countinghouse", daemon=True)
        self._thread.start()

    def _after_fork(self) -> None:
        """Begin again in a forked process, with a file of its own: the thread and its files are the parent's."""
        self._spool = self._spool.in_child()
        self._begin()

    def _send_until_closed(self) -> None:
        attempt, again_at = 0, 0.0
        while not self._is_closing:
            try:
                self._look_after_files()
                if attempt and (pause := again_at - time.monotonic()) > 0:
                    self._wait(min(pause, self._fsync_seconds or pause))
                    continue
                if not self._spool.waiting_bytes():
                    self._wait_for_work()
                elif attempt == 0 and not self._is_urgent:
                    self._wait(self._flush_seconds, until_full=True)
                self._send_one_batch()
                attempt = 0
            except (_RetryError, OSError) as failure:
                again_at = time.monotonic() + self._pause_after(failure, attempt)
                attempt += 1
        with self._changed:
            self._spool.close()

    def _look_after_files(self) -> None:
        """Take over files that others left, and force ours to disk, each in its time."""
        now = time.monotonic()
        if now - self._adopted_at >= ADOPT_EVERY_SECONDS:
            self._adopted_at = now
            with self._changed:
                self._spool.adopt()
        if now - self._forced_at >= self._fsync_seconds > 0:
            self._forced_at = now
            self._spool.force()

    def _pause_after(self, failure: Exception, attempt: int) -> float:
        """Return after how many seconds to try again: doubled each time, at random, and not before `Retry-After`."""
        self.counts["failures"] += 1
        if str(failure) != self.last_failure or attempt % 10 == 0:
            log.warning("Usage events wait in the spool: %s", failure)
        self.last_failure = str(failure)
        longest = min(BACKOFF_SECONDS[1], BACKOFF_SECONDS[0] * 2 ** min(attempt, 10))
        jittered = random.uniform(longest / 2, longest)  # noqa: S311 - no secret
        return max(getattr(failure, "after_seconds", 0.0), jittered)

    def _wait_for_work(self) -> None:
        with self._changed:
            self._is_urgent = False
            self._changed.notify_all()  # flush() sees that nothing is left
            if not self._has_work and not self._is_closing:
                self._changed.wait(ADOPT_EVERY_SECONDS)
            self._has_work = False

    def _wait(self, seconds: float, *, until_full: bool = False) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._is_closing and (left := deadline - time.monotonic()) > 0:
                if until_full and (self._is_urgent or self._spool.waiting_bytes() >= FULL_BYTES):
                    return
                self._changed.wait(left)

    def _send_one_batch(self) -> None:
        """Send the oldest events, and note that they were answered. Raises `_RetryError`, or `OSError` of the disk."""
        with self._changed:
            segment, lines, size = self._spool.oldest()
        if segment is not None:
            self._send(lines)
            with self._changed:
                self._spool.done(segment, size)
                self.last_failure = ""
                self._changed.notify_all()

    def _send(self, lines: list[bytes]) -> None:
        """Send lines until each is stored or refused by itself. Raises `_RetryError` if that is not known yet."""
        readable = [line for line in lines if _object(line)]
        for line in set(lines) - set(readable):  # what a power cut left of the last second
            if line.strip(b"\0 "):
                self._reject({"line": line.decode(errors="replace")}, "unreadable", "The line is no JSON.")
        if not readable:
            return
        answer = self._call.send(readable)
        if answer is None and len(readable) > 1:  # refused as a whole: find out whose fault it is
            middle = len(readable) // 2
            self._send(readable[:middle])
            self._send(readable[middle:])
            return
        if answer is None:
            self._reject(json.loads(readable[0]), "refused", self._call.refusal)
            return
        self.counts["accepted"] += answer["accepted"]
        self.counts["duplicates"] += answer["duplicates"]
        for item in answer["results"]:
            self._reject(json.loads(readable[item["index"]]), item["code"], item["detail"])

    def _reject(self, event: Event, code: str, detail: str) -> None:
        """Keep an event that Countinghouse will never store in `rejected.jsonl`, and tell the callback."""
        self.counts["rejected"] += 1
        self._spool.keep_rejected({"event": event, "code": code, "detail": detail, "at": _now()})
        log.error("Countinghouse refused the event %s: %s: %s", event.get("id"), code, detail)
        if self._on_rejected:
            try:
                self._on_rejected(event, code, detail)
            except Exception:
                log.exception("on_rejected failed.")


class _RetryError(Exception):
    """No answer, or one that says: later."""

    def __init__(self, reason: str, after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Returns each response, and follows no redirect: the body would be lost."""

    def http_response(self, _: Any, response: Any) -> Any:
        return response

    https_response = http_response


class _Call:
    """`POST /api/v1/events` with a batch."""

    def __init__(self, url: str, key: str, timeout_seconds: float) -> None:
        self._url, self._timeout_seconds, self.refusal = url, timeout_seconds, ""
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._opener = urllib.request.build_opener(_AnyStatus)

    def send(self, lines: list[bytes]) -> dict[str, Any] | None:
        """Return the answer to the batch; None if it was refused as a whole. Raises `_RetryError`."""
        body = gzip.compress(b'{"events":[' + b",".join(lines) + b"]}", compresslevel=1)
        request = urllib.request.Request(  # noqa: S310 - http or https, checked at the start
            self._url, body, {**self._headers, "Content-Encoding": "gzip"}, method="POST"
        )
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as response:
                status, headers, text = response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _RetryError(f"{type(error).__name__}: {error}") from error
        answer = _object(text)
        told = sum(answer.get(name, 0) for name in ("accepted", "duplicates", "rejected"))
        if status == 200 and told == len(lines):  # noqa: PLR2004 - HTTP
            return answer
        if status == 422 and len(answer.get("results", ())) == len(lines):  # noqa: PLR2004 - HTTP
            return {"accepted": 0, "duplicates": 0, "results": answer["results"]}
        self.refusal = f"{status} {answer.get('code', '')}: {answer.get('detail', '')}"
        if status in {400, 413, 422}:
            return None
        # A key without rights, a wrong address: keep the events until a person has mended it.
        moved = f" Use the address of {headers['Location']}." if headers.get("Location") else ""
        raise _RetryError(self.refusal + moved, _seconds_of(headers.get("Retry-After", "")))


class _Spool:
    """A folder of files that are only added to; beside each stands how much of it was sent.

    `NAME.events` is written by one process, which holds a lock on it. Files without a lock were left by processes that
    ended, and are adopted. The number in `NAME.sent` only grows. If it is lost, events are sent again with their ids.
    """

    def __init__(self, folder: Path, bytes_max: int, *, is_forced_by_each: bool) -> None:
        self._folder, self._bytes_max, self._is_forced_by_each = folder, bytes_max, is_forced_by_each
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._own: _Segment | None = None
        self._adopted: list[_Segment] = []

    def in_child(self) -> _Spool:
        """Return a spool for a forked process, which leaves the files to its parent."""
        for segment in self._segments():
            os.close(segment.descriptor)
        return _Spool(self._folder, self._bytes_max, is_forced_by_each=self._is_forced_by_each)

    def append(self, line: bytes) -> None:
        """Add a line to the file. Raises `SpoolFullError`, and then nothing was added."""
        if self.waiting_bytes() + len(line) > self._bytes_max:
            raise SpoolFullError(f"{self._bytes_max:,} bytes wait to be sent. Is Countinghouse out of reach?")
        if self._own is None:
            self._own = _Segment.create(self._folder)
        try:
            self._own.append(line)
            if self._is_forced_by_each:
                self._own.force()
        except OSError as error:
            raise SpoolFullError(str(error)) from error
        if self._own.size >= SEGMENT_BYTES_MAX:
            self._own.force()
            self._adopted.append(self._own)  # sent to its end like those of others, and then deleted
            self._own = None

    def adopt(self) -> None:
        """Take over what processes that ended have left."""
        known = {segment.path for segment in self._segments()}
        for path in sorted(self._folder.glob("*.events")):
            segment = None if path in known else _Segment.take_over(path)
            if segment is not None:
                self._adopted.append(segment)

    def waiting_bytes(self) -> int:
        """Return how many bytes of events wait to be sent."""
        return sum(segment.size - segment.sent for segment in self._segments())

    def oldest(self) -> tuple[_Segment | None, list[bytes], int]:
        """Return a file, its next lines, and how many bytes they take; None if nothing waits."""
        for segment in self._segments():
            lines, size = segment.next_lines()
            if size:
                return segment, lines, size
        return None, [], 0

    def done(self, segment: _Segment, size: int) -> None:
        """Note that so many bytes of the file were answered. Delete a file that gets no more events."""
        segment.note_sent(size)
        if segment.sent >= segment.size and segment is not self._own:
            self._adopted.remove(segment)
            segment.close()

    def force(self) -> None:
        """Force to disk what was added."""
        if (own := self._own) is not None:
            own.force()

    def keep_rejected(self, row: Event) -> None:
        """Add to `rejected.jsonl`. At its size it becomes `rejected.jsonl.1`, and an older one of that name is lost."""
        path = self._folder / "rejected.jsonl"
        if path.exists() and path.stat().st_size >= REJECTED_BYTES_MAX:
            path.replace(path.with_suffix(".jsonl.1"))
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def close(self) -> None:
        """Give the files free; delete those that are sent."""
        for segment in self._segments():
            segment.close()
        self._own, self._adopted = None, []

    def _segments(self) -> list[_Segment]:
        return [*self._adopted, *([self._own] if self._own else [])]


class _Segment:
    """One file of a spool, which this process has locked."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self.size = os.fstat(descriptor).st_size
        self._sent_descriptor = os.open(path.with_suffix(".sent"), os.O_RDWR | os.O_CREAT, 0o600)
        digits = os.read(self._sent_descriptor, 20)
        self.sent = min(int(digits) if digits.isdigit() else 0, self.size)

    @classmethod
    def create(cls, folder: Path) -> _Segment:
        name = f"{time.time_ns()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.events"
        descriptor = os.open(folder / f".{name}", os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        (folder / f".{name}").rename(folder / name)  # no one finds it without its lock
        _force_folder(folder)
        return cls(folder / name, descriptor)

    @classmethod
    def take_over(cls, path: Path) -> _Segment | None:
        """Lock the file that another process left. Return None while that process lives, or if it is gone."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return cls(path, descriptor)
        except OSError:
            pass  # locked, or deleted meanwhile
        os.close(descriptor)
        return None

    def append(self, line: bytes) -> None:
        if os.write(self.descriptor, line) != len(line):
            os.ftruncate(self.descriptor, self.size)
            raise OSError("The disk is full.")
        self.size += len(line)

    def force(self) -> None:
        os.fsync(self.descriptor)

    def next_lines(self) -> tuple[list[bytes], int]:
        """Return the next lines, and how many bytes they take with their ends.

        An unfinished line at the end was never recorded: it takes bytes, and is no line.
        """
        chunk = os.pread(self.descriptor, min(BATCH_BYTES_MAX, self.size - self.sent), self.sent)
        lines = chunk.split(b"\n")[:-1][:BATCH_EVENTS_MAX]
        return lines, sum(map(len, lines)) + len(lines) if lines else len(chunk)

    def note_sent(self, size: int) -> None:
        self.sent += size
        os.pwrite(self._sent_descriptor, b"%020d" % self.sent, 0)

    def _unlink(self) -> None:
        self.path.unlink()
        self.path.with_suffix(".sent").unlink()

    def close(self) -> None:
        if self.sent >= self.size:
            self._unlink()
        os.close(self.descriptor)
        os.close(self._sent_descriptor)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: UP017 - 3.9


def _object(text: bytes) -> Event:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds_of(retry_after: str) -> float:
    """Return the seconds of a `Retry-After`, which may be a date; at most an hour."""
    try:
        return min(3600.0, float(retry_after))
    except ValueError:
        pass
    try:
        return min(3600.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def _force_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


os.register_at_fork(after_in_child=lambda: [client._after_fork() for client in _clients])  # noqa: SLF001 - our own
