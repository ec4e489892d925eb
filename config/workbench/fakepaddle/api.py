"""The calls of the fake Paddle: what our folder and Paddle's library touch, no more."""

import json
import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from config.workbench.fakepaddle import life
from config.workbench.fakepaddle.store import Json, PaddleError, PaddleStore, public, seconds_of
from config.workbench.faults import Fault, Faults

PAGE_MAX = 200
Call = Callable[[PaddleStore, Json, dict[str, str], str], Any]


class PaddleApi:
    """The calls, with the failures that a test has planned."""

    def __init__(self, store: PaddleStore) -> None:
        self.store = store
        self.faults = Faults()
        self.reset()

    def reset(self) -> None:
        self.requests: list[tuple[str, str, Json]] = []
        self.faults.reset()
        self.latency_seconds = 0.0

    def fail(self, path: str, *, status: int, method: str = "*", times: int = 1, is_after: bool = False) -> None:
        """Fail the next `times` requests with this status (0: drop the connection), before or after their effect."""
        self.faults.plan(Fault(path, status, method=method, times=times, is_after=is_after))

    def respond(self, method: str, path: str, query: str, key: str, body: bytes) -> tuple[int, Json] | None:
        """Respond to a call, or return None if the connection is to drop."""
        fault = self.faults.next(method, path)
        answer = self._respond(method, path, query, key, body, fault=fault)
        if fault is not None:
            self.faults.wait(fault)
        return answer

    def _respond(
        self, method: str, path: str, query: str, key: str, body: bytes, *, fault: Fault | None
    ) -> tuple[int, Json] | None:
        with self.store.lock:
            try:
                _authenticate(key)
                given = _decoded(body)
                self.requests.append((method, path, given))
                if fault is not None and not fault.is_after:
                    return _failed(fault)
                answer = 201 if method == "POST" else 200, self._run(method, path, dict(parse_qsl(query)), given)
            except PaddleError as error:
                return error.status, error.body
            finally:
                self.store.commit()
            return _failed(fault) if fault is not None else answer

    def _run(self, method: str, path: str, query: dict[str, str], given: Json) -> Json:
        for wanted, pattern, call in ROUTES:
            if wanted == method and (found := re.fullmatch(pattern, path)):
                data = call(self.store, given, query, *(found.groups() or ("",)))
                meta: Json = {"request_id": secrets.token_hex(8)}
                if isinstance(data, list):
                    return _page(self.store, path, query, data, meta)
                return {"data": public(data), "meta": meta}
        raise PaddleError("The fake has no such call.", code="not_found", status=404)


def _authenticate(key: str) -> None:
    if not re.fullmatch(r"Bearer pdl_sdbx_[A-Za-z0-9_]+", key):
        detail = "Authentication header included, but incorrectly formatted"
        raise PaddleError(detail, code="authentication_malformed", status=403)


def _decoded(body: bytes) -> Json:
    try:
        given = json.loads(body or b"{}")
    except ValueError as error:
        raise PaddleError("Invalid JSON", code="invalid_json") from error
    if not isinstance(given, dict):
        raise PaddleError("Invalid JSON", code="invalid_json")
    return given


def _failed(fault: Fault) -> tuple[int, Json] | None:
    if fault.status <= 0:
        return None
    return fault.status, PaddleError("planned by a test", code="internal_error", status=fault.status).body


def _page(store: PaddleStore, path: str, query: dict[str, str], found: list[Json], meta: Json) -> Json:
    """Return a page of a list, as Paddle does: `after` names the last object of the page before."""
    if "[DESC]" in query.get("order_by", "[DESC]"):
        found.reverse()
    ids = [item["id"] for item in found]
    begin = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    size = min(int(query.get("per_page", 50)), PAGE_MAX)
    page = found[begin : begin + size]
    following = {**query, "after": page[-1]["id"]} if page else query
    paging = {
        "per_page": size,
        "next": f"{store.base_url}{path}?{urlencode(following)}",
        "has_more": begin + size < len(found),
        "estimated_total": len(found),
    }
    return {"data": [public(item) for item in page], "meta": {**meta, "pagination": paging}}


def _listed(store: PaddleStore, kind: str, query: dict[str, str], *names: str) -> list[Json]:
    wanted = {name: set(query[name].split(",")) for name in names if name in query}
    since = query.get("created_at[GTE]")
    return [
        item
        for item in store.all(kind)
        if all(item.get(name) in values for name, values in wanted.items())
        and (since is None or seconds_of(item["created_at"]) >= seconds_of(since))
    ]


# Customers


def _create_customer(store: PaddleStore, given: Json, _query: dict[str, str], _id: str) -> Json:
    _require_free(store, str(given.get("email", "")), "")
    made = store.add(
        "customer", email=given["email"], name=given.get("name"), custom_data=given.get("custom_data"),
        status="active", locale="en", marketing_consent=False, import_meta=None,
    )  # fmt: skip
    store.emit("customer.created", made)
    return made


def _update_customer(store: PaddleStore, given: Json, _query: dict[str, str], id_: str) -> Json:
    known = store.get("customer", id_)
    if "email" in given:
        _require_free(store, given["email"], id_)
    store.emit("customer.updated", store.update(known, **given))
    return known


def _require_free(store: PaddleStore, email: str, but: str) -> None:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        raise PaddleError("Invalid email.", code="invalid_field")
    other = next((one for one in store.all("customer", email=email) if one["id"] != but), None)
    if other is not None:
        detail = f"customer email conflicts with customer of id {other['id']}"
        raise PaddleError(detail, code="customer_already_exists", status=409)


def _open_portal(store: PaddleStore, _given: Json, _query: dict[str, str], id_: str) -> Json:
    url = f"{store.base_url}/portal/{store.get('customer', id_)['id']}"
    urls = {"general": {"overview": url}, "subscriptions": []}
    return {"id": store.new_id("session"), "customer_id": id_, "urls": urls, "created_at": store.stamp()}


# Subscriptions


def _cancel(store: PaddleStore, given: Json, _query: dict[str, str], id_: str) -> Json:
    return life.cancel(store, store.get("subscription", id_), is_now=given.get("effective_from") == "immediately")


def _update_subscription(store: PaddleStore, given: Json, _query: dict[str, str], id_: str) -> Json:
    if given != {"scheduled_change": None}:
        raise PaddleError("The fake only undoes a scheduled change.")
    return life.change_subscription(store, store.get("subscription", id_), "", scheduled_change=None)


def _update_transaction(store: PaddleStore, given: Json, _query: dict[str, str], id_: str) -> Json:
    if given != {"status": "canceled"}:
        raise PaddleError("The fake only cancels a transaction.")
    return life.cancel_transaction(store, store.get("transaction", id_))


def _getter(kind: str) -> Call:
    return lambda store, _given, _query, id_: store.get(kind, id_)


def _lister(kind: str, *names: str) -> Call:
    return lambda store, _given, query, _id: _listed(store, kind, query, *names)


ROUTES: list[tuple[str, str, Call]] = [
    ("GET", "/customers", _lister("customer", "email", "status")),
    ("POST", "/customers", _create_customer),
    ("GET", r"/customers/(\w+)", _getter("customer")),
    ("PATCH", r"/customers/(\w+)", _update_customer),
    ("POST", r"/customers/(\w+)/portal-sessions", _open_portal),
    ("GET", "/subscriptions", _lister("subscription", "customer_id", "status")),
    ("GET", r"/subscriptions/(\w+)", _getter("subscription")),
    ("PATCH", r"/subscriptions/(\w+)", _update_subscription),
    ("POST", r"/subscriptions/(\w+)/cancel", _cancel),
    ("POST", r"/subscriptions/(\w+)/charge",
     lambda store, given, _query, id_: life.charge(store, store.get("subscription", id_), given)),
    ("POST", r"/subscriptions/(\w+)/activate",
     lambda store, _given, _query, id_: life.activate(store, store.get("subscription", id_))),
    ("GET", "/transactions", _lister("transaction", "customer_id", "subscription_id", "status", "origin", "id")),
    ("POST", "/transactions", lambda store, given, _query, _id: life.add_transaction(store, given, origin="api")),
    ("GET", r"/transactions/(\w+)", _getter("transaction")),
    ("PATCH", r"/transactions/(\w+)", _update_transaction),
    ("GET", "/adjustments", _lister("adjustment", "transaction_id", "customer_id", "status", "id")),
    ("POST", "/adjustments", lambda store, given, _query, _id: life.adjust(store, given)),
    ("GET", "/notification-settings", _lister("notification")),
]  # fmt: skip
