"""An object as a caller sees it: a copy without our own fields, with the requested expansions."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

from config.workbench.fakestripe.errors import Json, StripeError
from config.workbench.fakestripe.parameters import FREE_FORM
from config.workbench.fakestripe.store import Store


def list_of(url: str, data: list[Any], *, has_more: bool = False) -> Json:
    """Return Stripe's list object."""
    return {"object": "list", "url": url, "has_more": has_more, "data": data}


def render(store: Store, item: Json, expand: Iterable[str] = ()) -> Json:
    """Return a copy for the caller. Raise for a path that cannot be expanded."""
    shown: Json = _public(item)
    if complete := COMPLETIONS.get(item["object"]):
        complete(store, shown, item)
    for path in expand:
        _expand(store, shown, path.split("."), path)
    return shown


def _public(value: Any, *, is_free_form: bool = False) -> Any:
    """Return a deep copy without our own fields; the keys of metadata are the caller's."""
    if isinstance(value, list):
        return [_public(element) for element in value]
    if isinstance(value, dict):
        return {
            name: _public(inner, is_free_form=name in FREE_FORM)
            for name, inner in value.items()
            if is_free_form or not name.startswith("_")
        }
    return value


def _expand(store: Store, node: Any, path: list[str], whole: str) -> None:
    if isinstance(node, list):
        for element in node:
            _expand(store, element, path, whole)
        return
    if node is None or not path:
        return
    name, rest = path[0], path[1:]
    if not isinstance(node, dict):
        raise _not_expandable(whole)
    if include := INCLUDABLE.get((node.get("object", ""), name)):
        node[name] = include(store, node)
    elif name not in node:
        raise _not_expandable(whole)
    node[name] = _whole(store, node[name])
    _expand(store, node[name], rest, whole)


def _whole(store: Store, value: Any) -> Any:
    """Return the object in place of its id, in lists too."""
    if isinstance(value, list):
        return [_whole(store, element) for element in value]
    if isinstance(value, str) and (found := store.find(value)):
        return render(store, found)
    return value


def _not_expandable(path: str) -> StripeError:
    message = f"This property cannot be expanded ({path}). You may want to try expanding one of its parents."
    return StripeError(message, param="expand")


# Fields that are computed when they are shown


def _complete_subscription(store: Store, shown: Json, item: Json) -> None:
    items = [render(store, line) for line in store.all("subscription_item", subscription=item["id"])]
    url = f"/v1/subscription_items?subscription={item['id']}"
    shown["items"] = list_of(url, items) | {"total_count": len(items)}


def _complete_subscription_item(store: Store, shown: Json, item: Json) -> None:
    shown["price"] = render(store, store.get("price", item["price"]))
    shown["plan"] = _legacy_plan(shown["price"])


def _complete_invoice(store: Store, shown: Json, item: Json) -> None:
    if item["status"] != "draft":
        shown["hosted_invoice_url"] = f"{store.base_url}/invoice/{item['id']}"
        shown["invoice_pdf"] = f"{store.base_url}/invoice/{item['id']}/pdf"


def _complete_session(store: Store, shown: Json, item: Json) -> None:
    shown["url"] = f"{store.base_url}/checkout/{item['id']}" if item["status"] == "open" else None


def _complete_portal_session(store: Store, shown: Json, item: Json) -> None:
    shown["url"] = f"{store.base_url}/portal/{item['id']}"


def _legacy_plan(price: Json) -> Json:
    """Return the plan that Stripe still sends beside a price."""
    recurring = price["recurring"] or {}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring.get("meter"),
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring.get("usage_type"),
    }


COMPLETIONS: dict[str, Callable[[Store, Json, Json], None]] = {
    "subscription": _complete_subscription,
    "subscription_item": _complete_subscription_item,
    "invoice": _complete_invoice,
    "checkout.session": _complete_session,
    "billing_portal.session": _complete_portal_session,
}


# Fields that are shown only on request


def _invoice_payments(store: Store, invoice: Json) -> Json:
    found = [render(store, payment) for payment in store.all("invoice_payment", invoice=invoice["id"])]
    return list_of(f"/v1/invoices/{invoice['id']}/payments", found[::-1])


def _session_lines(store: Store, session: Json) -> Json:
    lines = store.get("checkout.session", session["id"])["_line_items"]
    return list_of(f"/v1/checkout/sessions/{session['id']}/line_items", copy.deepcopy(lines))


def _price_tiers(store: Store, price: Json) -> list[Json] | None:
    tiers: list[Json] | None = store.get("price", price["id"])["_tiers"]
    return copy.deepcopy(tiers)


def _customer_subscriptions(store: Store, customer: Json) -> Json:
    found = [item for item in store.all("subscription", customer=customer["id"]) if item["status"] != "canceled"]
    return list_of(f"/v1/customers/{customer['id']}/subscriptions", [render(store, item) for item in found[::-1]])


def _customer_sources(_store: Store, customer: Json) -> Json:
    return list_of(f"/v1/customers/{customer['id']}/sources", [])


def _nothing(_store: Store, _item: Json) -> None:
    return None


INCLUDABLE: dict[tuple[str, str], Callable[[Store, Json], Any]] = {
    ("invoice", "payments"): _invoice_payments,
    ("invoice", "confirmation_secret"): _nothing,
    ("checkout.session", "line_items"): _session_lines,
    ("price", "tiers"): _price_tiers,
    ("customer", "subscriptions"): _customer_subscriptions,
    ("customer", "sources"): _customer_sources,
    ("customer", "tax"): _nothing,
}
