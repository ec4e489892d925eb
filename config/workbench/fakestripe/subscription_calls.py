"""The calls on subscriptions and their items."""

from config.workbench.fakestripe.catalog import price_from_data
from config.workbench.fakestripe.customers import live_customer
from config.workbench.fakestripe.errors import Json, StripeError, invalid
from config.workbench.fakestripe.events import change, emit
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import choice, flag, merged_metadata, number, required, text
from config.workbench.fakestripe.rendering import render
from config.workbench.fakestripe.store import Store
from config.workbench.fakestripe.subscriptions import (
    LIVE,
    add_item,
    cancel,
    ends_at,
    items_of,
    keep,
    new_subscription,
    schedule_cancellation,
    start,
)

BEHAVIORS = ("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete")


def read_lines(store: Store, given: list[Json], param: str) -> list[Json]:
    """Return the given items with their prices looked up."""
    lines = []
    for place, line in enumerate(given):
        if line.get("price_data"):
            price = price_from_data(store, line["price_data"])
        else:
            named = f"{param}[{place}][price]"
            price = store.get("price", required({named: line.get("price")}, named), named)
        lines.append({**line, "price": price, "quantity": number(line, "quantity", 1)})
    return lines


def create_subscription(store: Store, parameters: Json) -> Json:
    customer = live_customer(store, required(parameters, "customer"), "customer")
    lines = read_lines(store, required(parameters, "items"), "items")
    behavior = choice(parameters, "payment_behavior", BEHAVIORS, "allow_incomplete")
    card = text(parameters, "default_payment_method")
    if card:
        store.get("payment_method", card, "default_payment_method")
    rates = [store.get("tax_rate", id_, "default_tax_rates") for id_ in parameters.get("default_tax_rates") or []]
    subscription = new_subscription(
        store,
        customer,
        lines,
        trial_days=number(parameters, "trial_period_days"),
        collection_method=choice(
            parameters, "collection_method", ("charge_automatically", "send_invoice"), "charge_automatically"
        ),
        days_until_due=number(parameters, "days_until_due"),
        default_payment_method=card,
        default_tax_rates=[render(store, rate) for rate in rates],
        description=text(parameters, "description"),
        metadata=merged_metadata({}, parameters),
    )
    refused = start(store, subscription, behavior=behavior)
    if refused is not None and behavior == "error_if_incomplete":
        raise refused
    if flag(parameters, "cancel_at_period_end", default=False):
        schedule_cancellation(store, subscription, by_portal=False)
    return subscription


def update_subscription(store: Store, parameters: Json, id_: str) -> Json:
    subscription = store.get("subscription", id_)
    if subscription["status"] not in LIVE:
        raise StripeError(f"No such subscription: {id_}", status=404, code="resource_missing", param="id")
    if "cancel_at_period_end" in parameters or "cancel_at" in parameters:
        _plan_end(store, subscription, parameters)
    fields: Json = {"metadata": merged_metadata(subscription["metadata"], parameters)}
    for name in ("default_payment_method", "description"):
        if name in parameters:
            fields[name] = text(parameters, name)
    if fields.get("default_payment_method"):
        store.get("payment_method", fields["default_payment_method"], "default_payment_method")
    if parameters.get("trial_end") == "now" and subscription["status"] == "trialing":
        fields |= {"status": "active", "trial_end": store.now()}
    before = [dict(item) for item in items_of(store, subscription)]
    _change_items(store, subscription, parameters.get("items") or [])
    if before != items_of(store, subscription):
        store.update(subscription, **fields)
        emit(store, "customer.subscription.updated", subscription, {"items": None})
        return subscription
    return change(store, "customer.subscription.updated", subscription, **fields)


def _plan_end(store: Store, subscription: Json, parameters: Json) -> None:
    at = number(parameters, "cancel_at")
    if at is not None:
        if at <= store.now():
            raise invalid("The timestamp must be in the future.", "cancel_at")
        change(store, "customer.subscription.updated", subscription, cancel_at=at, canceled_at=store.now())
    elif flag(parameters, "cancel_at_period_end", default=False):
        schedule_cancellation(store, subscription, by_portal=False)
    else:
        keep(store, subscription)


def _change_items(store: Store, subscription: Json, given: list[Json]) -> None:
    for place, line in enumerate(given):
        if not line.get("id"):
            [new] = read_lines(store, [line], "items")
            add_item(store, subscription, new, store.now(), ends_at(store, subscription))
            continue
        item = store.get("subscription_item", line["id"], f"items[{place}][id]")
        if flag(line, "deleted", default=False):
            store.remove("subscription_item", item["id"])
            continue
        if line.get("price"):
            store.update(item, price=store.get("price", line["price"], f"items[{place}][price]")["id"])
        if "quantity" in line:
            store.update(item, quantity=number(line, "quantity", 1))
        if "metadata" in line:
            store.update(item, metadata=merged_metadata(item["metadata"], line))


def cancel_subscription(store: Store, parameters: Json, id_: str) -> Json:
    subscription = store.get("subscription", id_)
    if subscription["status"] not in LIVE:
        raise StripeError(f"No such subscription: {id_}", status=404, code="resource_missing", param="id")
    cancel(store, subscription, details=parameters.get("cancellation_details"))
    return subscription


def retrieve_subscription(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("subscription", id_)


def list_subscriptions(store: Store, parameters: Json) -> Json:
    """List subscriptions. Without a status, those that have not ended; `all` means all."""
    wanted = dict(parameters)
    status = wanted.pop("status", None)
    found = store.all("subscription")
    if not status:
        found = [item for item in found if item["status"] not in {"canceled", "incomplete_expired"}]
    elif status == "ended":
        found = [item for item in found if item["status"] in {"canceled", "incomplete_expired"}]
    elif status != "all":
        found = [item for item in found if item["status"] == status]
    if price := wanted.pop("price", None):
        found = [item for item in found if any(line["price"] == price for line in items_of(store, item))]
    return page(store, "subscription", wanted, url="/v1/subscriptions", items=found)


def list_subscription_items(store: Store, parameters: Json) -> Json:
    required(parameters, "subscription")
    return page(store, "subscription_item", parameters, url="/v1/subscription_items")


def retrieve_subscription_item(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("subscription_item", id_)
