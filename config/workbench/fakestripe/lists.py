"""Lists: newest first, filtered, a page at a time."""

import re
from typing import Any

from config.workbench.fakestripe.errors import Json, invalid, no_such
from config.workbench.fakestripe.parameters import flag, number
from config.workbench.fakestripe.rendering import list_of
from config.workbench.fakestripe.store import SPOKEN, Store

LIMIT_DEFAULT, LIMIT_MAX = 10, 100
PAGING = {"limit", "starting_after", "ending_before", "created", "expand"}
FLAGS = {"active", "pending", "delivery_success"}


def page(store: Store, kind: str, parameters: Json, *, url: str, items: list[Json] | None = None) -> Json:
    """Return one page of the objects (given oldest first) that pass the filters among the parameters."""
    chosen = store.all(kind) if items is None else items
    for name, value in parameters.items():
        if name not in PAGING and value != "":
            chosen = [item for item in chosen if _passes(item, name, value, parameters)]
    chosen = [item for item in chosen if _in_range(item["created"], parameters.get("created"))]
    return _cut(kind, chosen[::-1], parameters, url)


def _passes(item: Json, name: str, value: Any, parameters: Json) -> bool:
    if name in FLAGS:
        return bool(item.get(name)) == flag(parameters, name, default=True)
    if isinstance(value, list):
        return item.get({"types": "type", "lookup_keys": "lookup_key", "ids": "id"}.get(name, name)) in value
    if isinstance(value, dict):  # payment[type]=…&payment[payment_intent]=…
        inner = item.get(name) or {}
        return all(inner.get(key) == wanted for key, wanted in value.items())
    if name == "type" and value.endswith("*"):
        return str(item.get(name)).startswith(value[:-1])
    return bool(item.get(name) == value)


def _in_range(created: int, wanted: Any) -> bool:
    if wanted in (None, ""):
        return True
    if not isinstance(wanted, dict):
        return created == number({"created": wanted}, "created")
    tests = {"gt": created.__gt__, "gte": created.__ge__, "lt": created.__lt__, "lte": created.__le__}
    for name in wanted:
        if name not in tests:
            raise invalid(f"Received unknown parameter: created[{name}]", f"created[{name}]", "parameter_unknown")
    return all(tests[name](number(wanted, name) or 0) for name in wanted)


def _cut(kind: str, newest_first: list[Json], parameters: Json, url: str) -> Json:
    limit = number(parameters, "limit", LIMIT_DEFAULT)
    assert limit is not None
    if not 1 <= limit <= LIMIT_MAX:
        word = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
        raise invalid(f"This value must be {word}.", "limit")
    ids = [item["id"] for item in newest_first]
    if after := parameters.get("starting_after"):
        rest = newest_first[_position(ids, after, kind, "starting_after") + 1 :]
        return list_of(url, rest[:limit], has_more=len(rest) > limit)
    if before := parameters.get("ending_before"):
        rest = newest_first[: _position(ids, before, kind, "ending_before")]
        return list_of(url, rest[-limit:], has_more=len(rest) > limit)
    return list_of(url, newest_first[:limit], has_more=len(newest_first) > limit)


def _position(ids: list[str], id_: str, kind: str, param: str) -> int:
    if id_ not in ids:
        raise no_such(SPOKEN.get(kind, kind), re.sub(r"\s", " ", id_), param, status=400)
    return ids.index(id_)
