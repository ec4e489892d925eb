"""The events that Stripe stores and sends."""

import copy
from typing import Any

from config.workbench.fakestripe.errors import Json
from config.workbench.fakestripe.rendering import render
from config.workbench.fakestripe.store import API_VERSION, Store


def emit(store: Store, kind: str, item: Json, previous: Json | None = None) -> Json:
    """Record an event about an object, with a snapshot of it. It is sent after the response."""
    data: Json = {"object": render(store, item)}
    if previous is not None:
        data["previous_attributes"] = previous
    event = store.add(
        "event",
        api_version=API_VERSION,
        data=data,
        pending_webhooks=1,
        request=dict(store.request),
        type=kind,
    )
    store.fresh_events.append(event)
    return event


def change(store: Store, kind: str, item: Json, **fields: Any) -> Json:
    """Change an object and emit an event with its values before. Emit nothing if nothing changes."""
    before = {name: copy.deepcopy(item.get(name)) for name, value in fields.items() if item.get(name) != value}
    if before:
        store.update(item, **fields)
        emit(store, kind, item, before)
    return item
