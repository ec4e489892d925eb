"""Webhooks: each event is signed and sent after the response that caused it, repeatedly until it is accepted."""

import hashlib
import heapq
import hmac
import itertools
import json
import random
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from config.workbench.fakestripe.errors import Json
from config.workbench.fakestripe.rendering import render
from config.workbench.fakestripe.store import Store

BACKOFF_SECONDS = (0.1, 0.3, 1, 2, 4, 8, 15, 30, 60)
ATTEMPTS_MAX = 60
SECONDS_PER_ATTEMPT_MAX = 30


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Refuse to follow: to Stripe a redirect is a failed delivery."""


# Without a proxy: the receiver is on this machine, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


def signature(body: bytes, secret: str, *, timestamp: int) -> str:
    """Return the `Stripe-Signature` header of a body."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def body_of(store: Store, event: Json) -> bytes:
    """Return an event as it is sent."""
    return json.dumps(render(store, event), indent=2).encode()


class Deliveries:
    """The queue of undelivered events, and the thread that sends them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.changed = threading.Condition()
        self.order = itertools.count()
        self.queue: list[tuple[float, int, str, int]] = []  # when, place, event, failed attempts
        self.receivers: dict[str, Json] = {}
        self.log: list[Json] = []
        self.under_way = self.generation = 0
        self.is_stopped = False
        self.thread: threading.Thread | None = None
        self.reset()

    def reset(self) -> None:
        """Discard the queue, and reset the modes of sending."""
        with self.changed:
            self.queue.clear()
            self.generation = next(self.order)
            # Events that are being sent arrive before we continue: the next test must not receive them.
            self.changed.wait_for(lambda: not self.under_way, timeout=SECONDS_PER_ATTEMPT_MAX)
            self.log.clear()
            self.receivers.clear()
            self.is_paused = self.is_parallel = self.is_shuffled = False
            self.copies = 1
            self.changed.notify_all()

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, name="fakestripe-deliveries", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        with self.changed:
            self.is_stopped = True
            self.changed.notify_all()
        if self.thread is not None:
            self.thread.join(timeout=5)

    def send_to(self, url: str, secret: str, events: list[str] | None = None) -> None:
        """Deliver to this address from now on."""
        self.receivers[url] = {"url": url, "secret": secret, "events": events or ["*"]}

    def enqueue(self, event_ids: list[str]) -> None:
        """Queue events to be sent in this order or, when shuffled, in any."""
        with self.changed:
            wanted = [id_ for id_ in event_ids for _ in range(self.copies)]
            if self.is_shuffled:
                random.shuffle(wanted)
            for id_ in wanted:
                place = random.random() if self.is_shuffled else 0  # noqa: S311 - no secret depends on it
                heapq.heappush(self.queue, (time.monotonic() + place / 10, next(self.order), id_, 0))
            self.changed.notify_all()

    def set_mode(self, **modes: Any) -> None:
        """Set `paused`, `parallel`, `shuffled` and `copies`."""
        with self.changed:
            for name, value in modes.items():
                setattr(self, name if name == "copies" else f"is_{name}", value)
            self.changed.notify_all()

    def wait_until_idle(self, seconds_max: float = 20) -> bool:
        """Return whether everything was delivered (or given up) within that time."""
        deadline = time.monotonic() + seconds_max
        with self.changed:
            while self.queue or self.under_way:
                if not self.changed.wait(deadline - time.monotonic()) and time.monotonic() > deadline:
                    return False
        return True

    # The thread

    def _run(self) -> None:
        while (job := self._next()) is not None:
            if self.is_parallel:
                threading.Thread(target=self._deliver, args=job, daemon=True).start()
            else:
                self._deliver(*job)

    def _next(self) -> tuple[str, int, int] | None:
        with self.changed:
            while not self.is_stopped:
                now = time.monotonic()
                if self.queue and not self.is_paused and self.queue[0][0] <= now:
                    _, _, event_id, failures = heapq.heappop(self.queue)
                    self.under_way += 1
                    return event_id, failures, self.generation
                self.changed.wait(max(self.queue[0][0] - now, 0) if self.queue and not self.is_paused else None)
        return None

    def _deliver(self, event_id: str, failures: int, generation: int) -> None:
        is_taken = self.send_now(event_id)
        with self.changed:
            self.under_way -= 1
            is_wanted = generation == self.generation  # a reset has forgotten it otherwise
            if not is_taken and is_wanted and failures + 1 < ATTEMPTS_MAX:
                delay = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
                heapq.heappush(self.queue, (time.monotonic() + delay, next(self.order), event_id, failures + 1))
            self.changed.notify_all()

    def send_now(self, event_id: str) -> bool:
        """Send one event to its receivers. Return whether all accepted it."""
        with self.store.lock:
            event = self.store.objects["event"].get(event_id)
            if event is None:
                return True
            body = self.body_of(event)
            registered = self.store.all("webhook_endpoint", status="enabled")
        targets = [*self.receivers.values()]
        targets += [
            {"url": item["url"], "secret": item["_secret"], "events": item["enabled_events"]} for item in registered
        ]
        wanted = [item for item in targets if "*" in item["events"] or event["type"] in item["events"]]
        answers = [self._post(item, body, event) for item in wanted]
        is_taken = all(isinstance(answer, int) and 200 <= answer < 300 for answer in answers)
        if is_taken:
            with self.store.lock:
                if event_id in self.store.objects["event"]:
                    self.store.note_taken(event)
                    self.store.commit()
        return is_taken

    def body_of(self, event: Json) -> bytes:
        """Return an event as it is sent."""
        return body_of(self.store, event)

    def headers_of(self, body: bytes, secret: str) -> dict[str, str]:
        """Return the headers of a delivery, with its signature."""
        # The receiver compares with its own clock, so this is the real time and not the fake's.
        return {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(body, secret, timestamp=int(time.time())),
            "User-Agent": "Stripe/1.0 (fake; +https://stripe.com/docs/webhooks)",
        }

    def _post(self, receiver: Json, body: bytes, event: Json) -> int | str:
        headers = self.headers_of(body, receiver["secret"])
        request = urllib.request.Request(receiver["url"], data=body, headers=headers)  # noqa: S310 - the address of our own web server
        answer: int | str
        try:
            with OPENER.open(request, timeout=SECONDS_PER_ATTEMPT_MAX) as response:
                answer = response.status
        except urllib.error.HTTPError as error:
            answer = error.code
            error.close()
        except OSError as error:
            answer = str(error)
        entry = {"event": event["id"], "type": event["type"], "url": receiver["url"], "answer": answer}
        self.log.append(entry)
        return answer
