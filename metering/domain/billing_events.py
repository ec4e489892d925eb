"""The billing event `{TenantID, ProductCode, Quantity, Timestamp}`, which another system sends with a service key.

Its product code is an event type, or mapped to one. Its identity is `id`, or the request's `Idempotency-Key`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from accounts.domain.json_bounds import holds_more_values
from metering.domain.event_bodies import EVENT_VALUES_MAX, Item, readable, reportable_id
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, RefusedError, Rejection, refuse
from metering.domain.exact_json import MEMBERS
from metering.domain.texts import is_storable, pointer_part

REQUIRED: Final = ("TenantID", "ProductCode", "Quantity", "Timestamp")
_FIELDS: Final = frozenset({*REQUIRED, "id"})
# Either of these makes an object a billing event.
_MARKS: Final = frozenset({"TenantID", "ProductCode"})
_POINTERS: Final = {
    "/type": "/ProductCode",
    "/timestamp": "/Timestamp",
    "/quantity": "/Quantity",
    "/tenant": "/TenantID",
}


class BillingEvent(msgspec.Struct, frozen=True):
    """A billing event of the right shape. Quantity and time are not checked yet."""

    id: str
    tenant: str
    product_code: str
    quantity: Any
    timestamp: Any


class RefusedBillingEvent(msgspec.Struct, frozen=True):
    """A billing event of a wrong shape, with the reason."""

    code: str
    detail: str
    pointer: str
    id: str | None = None
    tenant: str | None = None


BillingItem = BillingEvent | RefusedBillingEvent


def billing_members(item: Item) -> Mapping[str, msgspec.Raw] | None:
    """Return the members of a billing event, or None if an event is another form, or has more values than any may."""
    if not isinstance(item, msgspec.Raw) or holds_more_values(bytes(item), EVENT_VALUES_MAX):
        return None
    try:
        members = MEMBERS.decode(item)
    except (msgspec.DecodeError, RecursionError):
        return None
    return None if _MARKS.isdisjoint(members) else members


def read_billing_event(members: Mapping[str, msgspec.Raw], idempotency_key: str | None) -> BillingItem:
    """Return a billing event. Its id is the idempotency key if it has none of its own."""
    values = {name: readable(raw) for name, raw in members.items() if name in _FIELDS}
    try:
        return _checked(members, values, idempotency_key)
    except RefusedError as refused:
        tenant = values.get("TenantID")
        return RefusedBillingEvent(
            refused.code,
            refused.detail,
            refused.pointer,
            id=reportable_id(values.get("id", idempotency_key)),
            tenant=tenant if isinstance(tenant, str) and is_storable(tenant) else None,
        )


def parse_billing_event(
    item: BillingItem, index: int, received_at: datetime, rules: IngestRules
) -> ParsedEvent | Rejection:
    """Check a billing event, whose product code is already that of an event type, as `parse_event` checks an event."""
    if isinstance(item, RefusedBillingEvent):
        return Rejection(index, item.id, item.code, item.detail, item.pointer)
    event = {
        "id": item.id,
        "type": item.product_code,
        "timestamp": item.timestamp,
        "quantity": item.quantity,
        "tenant": item.tenant,
    }
    verdict = parse_event(event, index, received_at, rules)
    if not isinstance(verdict, Rejection):
        return verdict
    detail = verdict.detail
    if verdict.pointer == "/type":
        detail = "No event type and no mapped product code has this name."
    return msgspec.structs.replace(verdict, detail=detail, pointer=_POINTERS.get(verdict.pointer, verdict.pointer))


def _checked(
    members: Mapping[str, msgspec.Raw], values: Mapping[str, object], idempotency_key: str | None
) -> BillingEvent:
    for name in members:
        if name not in _FIELDS:
            refuse(
                "unknown_field",
                "A billing event has no such field, and is not mixed with others.",
                f"/{pointer_part(name)}",
            )
    for name in REQUIRED:
        if name not in values:
            refuse("required", "This field is needed.", f"/{name}")
    tenant, product_code = values["TenantID"], values["ProductCode"]
    if not isinstance(tenant, str):
        refuse("invalid_type", "TenantID is the tenant's slug.", "/TenantID")
    if not isinstance(product_code, str):
        refuse("invalid_type", "ProductCode is a text.", "/ProductCode")
    event_id = values.get("id", idempotency_key)
    if event_id is None and "id" not in values:
        refuse("id_missing", "A billing event has an id, or the request an Idempotency-Key.", "/id")
    if not isinstance(event_id, str):
        refuse("invalid_id", "The value is of another type.", "/id")
    return BillingEvent(event_id, tenant, product_code, values["Quantity"], values["Timestamp"])
