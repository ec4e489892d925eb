"""The state of the fake Paddle: the journal of the fake Stripe, with Paddle's ids, times and errors."""

import secrets
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from config.workbench.fakestripe.store import Store

Json = dict[str, Any]
PREFIX_OF = {
    "customer": "ctm", "transaction": "txn", "subscription": "sub", "adjustment": "adj", "event": "evt",
    "notification": "ntf", "product": "pro", "price": "pri", "item": "txnitm", "adjusted": "adjitm", "address": "add",
    "payment": "paymtd", "session": "cpls",
}  # fmt: skip
KIND_OF = {prefix: kind for kind, prefix in PREFIX_OF.items()}
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class PaddleError(Exception):
    """A refused request, in the shape of Paddle's errors."""

    def __init__(self, detail: str, *, code: str = "bad_request", status: int = 400) -> None:
        super().__init__(detail)
        self.status = status
        kind = "api_error" if status >= 500 else "request_error"
        page = f"https://developer.paddle.com/v1/errors/shared/{code}"
        self.body: Json = {
            "error": {"type": kind, "code": code, "detail": detail, "documentation_url": page},
            "meta": {"request_id": secrets.token_hex(8)},
        }


class PaddleStore(Store):
    """The state. Code that reads or writes it holds `lock`."""

    @staticmethod
    def new_id(kind: str) -> str:
        return f"{PREFIX_OF[kind]}_01" + "".join(secrets.choice(ALPHABET) for _ in range(24))

    def stamp(self) -> str:
        """Return the fake's time as Paddle writes times."""
        return stamp_of(self.now())

    def add(self, kind: str, **fields: Any) -> Json:
        """Create an object with the fields that every object has."""
        at = self.stamp()
        return self.put(kind, {"id": self.next_id(kind), **fields, "created_at": at, "updated_at": at})

    def update(self, item: Json, **fields: Any) -> Json:
        """Change an object, and note when."""
        item.update(fields, updated_at=self.stamp())
        self.changed[KIND_OF[item["id"].partition("_")[0]], item["id"]] = None
        return item

    def get(self, kind: str, id_: Any, param: str = "id") -> Json:  # noqa: ARG002 - as its base has it
        """Return the object. Raise PaddleError if there is none."""
        found = self.objects[kind].get(id_) if isinstance(id_, str) else None
        if found is None:
            raise PaddleError(f"Entity {id_} not found", code="not_found", status=404)
        return found

    def emit(self, event_type: str, item: Json) -> Json:
        """Store an event about an object as it is now."""
        id_ = self.new_id("event")
        payload = {
            "event_id": id_,
            "event_type": event_type,
            "occurred_at": self.stamp(),
            "notification_id": self.new_id("notification"),
            "data": public(item),
        }
        event = {"id": id_, "type": event_type, "created": self.now(), "pending_webhooks": 1, "_payload": payload}
        self.put("event", event)
        self.fresh_events.append(event)
        return event

    def note_taken(self, event: Json) -> None:
        """Store that every receiver has accepted an event."""
        event["pending_webhooks"] = 0
        self.changed["event", event["id"]] = None


def stamp_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def seconds_of(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp())


def public(item: Json) -> Json:
    """Return an object without what only the fake knows."""
    return {name: deepcopy(value) for name, value in item.items() if not name.startswith("_")}
