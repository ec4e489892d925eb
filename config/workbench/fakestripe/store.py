"""The state of the fake Stripe: objects by kind and id, stored in a file if one is named.

The file is a journal. Each request appends the objects it changed before its response,
so that a killed fake loses nothing that a caller has seen.
"""

import json
import secrets
import string
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.workbench.fakestripe.errors import Json, no_such

API_VERSION = "2026-05-27.dahlia"
ALPHABET = string.ascii_letters + string.digits
DAYS_KEPT = {"event": 30, "_idempotency": 1, "billing.meter_event": 60}
# The kind of each prefix of an id; the longest prefix wins.
PREFIXES = {
    "cus": "customer",
    "prod": "product",
    "price": "price",
    "txr": "tax_rate",
    "pm": "payment_method",
    "seti": "setup_intent",
    "pi": "payment_intent",
    "ch": "charge",
    "txn": "balance_transaction",
    "re": "refund",
    "po": "payout",
    "du": "dispute",
    "sub": "subscription",
    "si": "subscription_item",
    "in": "invoice",
    "ii": "invoiceitem",
    "inpay": "invoice_payment",
    "cs_test": "checkout.session",
    "bps": "billing_portal.session",
    "bpc": "billing_portal.configuration",
    "mtr": "billing.meter",
    "evt": "event",
    "we": "webhook_endpoint",
}
PREFIX_OF = {kind: prefix for prefix, kind in PREFIXES.items()}
# The name of an object in the error of a look-up, if it is not its kind.
SPOKEN = {"payment_method": "PaymentMethod", "setup_intent": "setupintent"}


class Store:
    """The state. Code that reads or writes it holds `lock`."""

    def __init__(self, file: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.file = file
        self.base_url = "http://127.0.0.1"
        self.account = {"country": "DE", "currency": "eur", "name": "Countinghouse (fake)"}
        self.request: Json = {"id": None, "idempotency_key": None}
        self._begin()
        if file is not None:
            self._load(file)

    def clear(self) -> None:
        """Delete everything."""
        self._begin()
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    def _begin(self) -> None:
        self.objects: dict[str, dict[str, Json]] = defaultdict(dict)
        self.afterwards: list[Callable[[], None]] = []
        self.fresh_events: list[Json] = []
        self.changed: dict[tuple[str, str], None] = {}
        self.past: int | None = None
        self.given_ids: dict[str, str] = {}

    def now(self) -> int:
        """Return the seconds since 1970 on the fake's own clock, which `advance` moves."""
        if self.past is not None:
            return self.past
        return int(time.time()) + int(self.objects["_clock"].get("clock", {}).get("seconds_ahead", 0))

    def advance(self, seconds: int) -> None:
        """Move the clock. It stays moved when the fake is started again."""
        ahead = self.now() + seconds - int(time.time())
        self.put("_clock", {"id": "clock", "object": "_clock", "seconds_ahead": ahead})

    @contextmanager
    def in_the_past(self, seconds: int, **ids: str) -> Iterator[None]:
        """Create objects as of an earlier second meanwhile, and send no events about them.

        The next object of a kind gets the id that is given for it.
        """
        before = len(self.fresh_events)
        self.past, self.given_ids = seconds, ids
        try:
            yield
        finally:
            self.past, self.given_ids = None, {}
            for event in self.fresh_events[before:]:
                self.remove("event", event["id"])
            del self.fresh_events[before:]

    @staticmethod
    def new_id(kind: str) -> str:
        return f"{PREFIX_OF[kind]}_" + "".join(secrets.choice(ALPHABET) for _ in range(24))

    def next_id(self, kind: str) -> str:
        """Return the id of the next object of a kind: the given one, or a new one."""
        return self.given_ids.pop(kind, "") or self.new_id(kind)

    def add(self, kind: str, **fields: Any) -> Json:
        """Create an object with the fields that every object has."""
        created = {"id": self.next_id(kind), "object": kind, "created": self.now(), "livemode": False}
        return self.put(kind, {**created, **fields})

    def put(self, kind: str, item: Json) -> Json:
        """Store an object under its id."""
        self.objects[kind][item["id"]] = item
        self.changed[kind, item["id"]] = None
        return item

    def update(self, item: Json, **fields: Any) -> Json:
        """Change an object. Every change must use this function, which writes it to the journal."""
        item.update(fields)
        self.changed[item["object"], item["id"]] = None
        return item

    def note_taken(self, event: Json) -> None:
        """Store that every receiver has accepted an event."""
        self.update(event, pending_webhooks=0)

    def remove(self, kind: str, id_: str) -> None:
        del self.objects[kind][id_]
        self.changed[kind, id_] = None

    def get(self, kind: str, id_: Any, param: str = "id") -> Json:
        """Return the object. Raise the error of the request that named it if there is none."""
        found = self.objects[kind].get(id_) if isinstance(id_, str) else None
        if found is None:
            # An unknown id in the path is a 404; one in a parameter is a 400.
            raise no_such(SPOKEN.get(kind, kind), str(id_), param, status=404 if param == "id" else 400)
        return found

    def find(self, id_: str) -> Json | None:
        """Return the object with this id, by the id's prefix."""
        kind = PREFIXES.get(id_.rpartition("_")[0])
        # A product may have an id of the caller's own.
        return self.objects[kind or "product"].get(id_)

    def all(self, kind: str, **fields: Any) -> list[Json]:
        """Return the objects of a kind with these values, oldest first."""
        return [
            item
            for item in self.objects[kind].values()
            if all(item.get(name) == value for name, value in fields.items())
        ]

    # The journal

    def commit(self) -> None:
        """Append what changed since the last commit."""
        changed, self.changed = self.changed, {}
        if self.file is None or not changed:
            return
        with self.file.open("a") as journal:
            for kind, id_ in changed:
                journal.write(json.dumps([kind, id_, self.objects[kind].get(id_)]) + "\n")

    def _load(self, file: Path) -> None:
        for kind, id_, item in self._entries(file):
            if item is None:
                self.objects[kind].pop(id_, None)
            else:
                self.objects[kind][id_] = item
        self._forget_what_stripe_forgets()
        self.changed = {(kind, id_): None for kind, items in self.objects.items() for id_ in items}
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".new")
        self.file, unfinished_target = unfinished, file
        unfinished.unlink(missing_ok=True)
        self.commit()
        if unfinished.exists():
            unfinished.replace(unfinished_target)
        self.file = file

    def _forget_what_stripe_forgets(self) -> None:
        for kind, days in DAYS_KEPT.items():
            since = self.now() - days * 86_400
            old = [id_ for id_, item in self.objects[kind].items() if item["created"] < since]
            for id_ in old:
                del self.objects[kind][id_]

    @staticmethod
    def _entries(file: Path) -> Iterator[tuple[str, str, Json | None]]:
        if not file.exists():
            return
        for line in file.read_text().splitlines():
            try:
                kind, id_, item = json.loads(line)
            except ValueError:
                return  # a line that was being written when the power went
            yield kind, id_, item
