"""Billing meters and the usage that is reported to them."""

import re
from collections.abc import Iterable

from config.workbench.fakestripe.errors import Json, StripeError, invalid
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import choice, number, required, required_number, text
from config.workbench.fakestripe.rendering import list_of
from config.workbench.fakestripe.store import Store

DAY = 86_400
DAYS_BACK_MAX = 35
SECONDS_AHEAD_MAX = 300
IDENTIFIER_LENGTH_MAX = 100
UNIQUE_SECONDS = CANCELLABLE_SECONDS = DAY
WINDOWS = {"hour": 3_600, "day": DAY}


def create_meter(store: Store, parameters: Json) -> Json:
    name = required(parameters, "event_name")
    if store.all("billing.meter", event_name=name, status="active"):
        raise invalid(f"An active meter already exists for event name {name}.", "event_name")
    formula = choice(required(parameters, "default_aggregation"), "formula", ("count", "last", "sum"))
    meter = store.add(
        "billing.meter",
        customer_mapping=parameters.get("customer_mapping")
        or {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        default_aggregation={"formula": formula},
        display_name=required(parameters, "display_name"),
        event_name=name,
        event_time_window=text(parameters, "event_time_window"),
        status="active",
        status_transitions={"deactivated_at": None},
        updated=store.now(),
        value_settings=parameters.get("value_settings") or {"event_payload_key": "value"},
    )
    return meter


def update_meter(store: Store, parameters: Json, id_: str) -> Json:
    meter = store.get("billing.meter", id_)
    return store.update(meter, display_name=required(parameters, "display_name"), updated=store.now())


def retrieve_meter(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("billing.meter", id_)


def deactivate_meter(store: Store, _parameters: Json, id_: str) -> Json:
    return _set_status(store, id_, "inactive", store.now())


def reactivate_meter(store: Store, _parameters: Json, id_: str) -> Json:
    return _set_status(store, id_, "active", None)


def _set_status(store: Store, id_: str, status: str, at: int | None) -> Json:
    meter = store.get("billing.meter", id_)
    return store.update(meter, status=status, status_transitions={"deactivated_at": at}, updated=store.now())


def list_meters(store: Store, parameters: Json) -> Json:
    return page(store, "billing.meter", parameters, url="/v1/billing/meters")


def create_meter_event(store: Store, parameters: Json) -> Json:
    now = store.now()
    name = required(parameters, "event_name")
    payload = required(parameters, "payload")
    meters = store.all("billing.meter", event_name=name, status="active")
    if not meters:
        raise invalid(f"No active meter found for event name {name}.", "event_name", "no_meter")
    identifier = text(parameters, "identifier") or Store.new_id("event")
    _refuse_identifier(store, identifier, now)
    timestamp = number(parameters, "timestamp", now)
    assert timestamp is not None
    _refuse_timestamp(timestamp, now)
    _refuse_payload(payload, meters[0])
    event = {
        "id": identifier,
        "object": "billing.meter_event",
        "created": now,
        "event_name": name,
        "identifier": identifier,
        "livemode": False,
        "payload": payload,
        "timestamp": timestamp,
        "_status": "accepted",
    }
    store.objects["billing.meter_event"].pop(identifier, None)  # the newest is last
    store.put("billing.meter_event", event)
    return {key: value for key, value in event.items() if key != "id"}


def _refuse_identifier(store: Store, identifier: str, now: int) -> None:
    if len(identifier) > IDENTIFIER_LENGTH_MAX:
        raise invalid(f"Invalid string: {identifier[:20]}…; must be at most 100 characters", "identifier")
    known = store.objects["billing.meter_event"].get(identifier)
    if known is not None and now - known["created"] < UNIQUE_SECONDS:
        message = f"An event already exists with identifier {identifier}."
        raise invalid(message, "identifier", "duplicate_meter_event")


def _refuse_timestamp(timestamp: int, now: int) -> None:
    if timestamp < now - DAYS_BACK_MAX * DAY:
        message = f"The timestamp must be within the past {DAYS_BACK_MAX} calendar days."
        raise invalid(message, "timestamp", "timestamp_too_far_in_past")
    if timestamp > now + SECONDS_AHEAD_MAX:
        message = "The timestamp must not be more than 5 minutes in the future."
        raise invalid(message, "timestamp", "timestamp_in_future")


def _refuse_payload(payload: Json, meter: Json) -> None:
    customer_key = meter["customer_mapping"]["event_payload_key"]
    if not payload.get(customer_key):
        message = f"The payload has no customer: {customer_key} is missing."
        raise invalid(message, "payload", "meter_event_no_customer_defined")
    value = payload.get(meter["value_settings"]["event_payload_key"])
    if meter["default_aggregation"]["formula"] == "count" and value is None:
        return
    if not re.fullmatch(r"-?\d{1,15}", str(value)):
        message = f"The meter event's value must be a whole number, not {value}."
        raise invalid(message, "payload", "meter_event_invalid_value")


def cancel_meter_event(store: Store, parameters: Json) -> Json:
    choice(parameters, "type", ("cancel",))
    name = required(parameters, "event_name")
    identifier = required(required(parameters, "cancel"), "identifier")
    event = store.objects["billing.meter_event"].get(identifier)
    if event is None or event["event_name"] != name:
        raise StripeError(f"No meter event found with identifier {identifier}.", code="resource_missing")
    if store.now() - event["created"] > CANCELLABLE_SECONDS:
        raise invalid("The meter event is more than 24 hours old.", "cancel[identifier]", "archived_meter_event")
    store.update(event, _status="cancelled")
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": name,
        "livemode": False,
        "status": "pending",
        "type": "cancel",
    }


def list_summaries(store: Store, parameters: Json, id_: str) -> Json:
    """Return a customer's usage in a span, as one figure or by hour or day."""
    meter = store.get("billing.meter", id_)
    customer = required(parameters, "customer")
    start, end = required_number(parameters, "start_time"), required_number(parameters, "end_time")
    grouping = text(parameters, "value_grouping_window")
    step = WINDOWS[choice({"w": grouping}, "w", ("hour", "day"))] if grouping else end - start
    spans = [(at, min(at + step, end)) for at in range(start, end, max(step, 1))]
    rows = [
        {
            "id": f"mtrusg_{id_[4:12]}{at}",
            "object": "billing.meter_event_summary",
            "aggregated_value": aggregate(store, meter, customer, at, until),
            "end_time": until,
            "livemode": False,
            "meter": id_,
            "start_time": at,
        }
        for at, until in spans
    ]
    return list_of(f"/v1/billing/meters/{id_}/event_summaries", rows)


def aggregate(store: Store, meter: Json, customer: str, start: int, end: int) -> int:
    """Return the meter's figure over [start, end). A pre-aggregated meter keeps the newest event of each window."""
    customer_key = meter["customer_mapping"]["event_payload_key"]
    value_key = meter["value_settings"]["event_payload_key"]
    events: Iterable[Json] = [
        event
        for event in store.all("billing.meter_event", event_name=meter["event_name"], _status="accepted")
        if event["payload"][customer_key] == customer and start <= event["timestamp"] < end
    ]
    if window := WINDOWS.get(meter["event_time_window"] or ""):
        events = {event["timestamp"] // window: event for event in events}.values()
    values = [int(event["payload"].get(value_key) or 0) for event in events]
    formula = meter["default_aggregation"]["formula"]
    return {"sum": sum(values), "count": len(values), "last": values[-1] if values else 0}[formula]
