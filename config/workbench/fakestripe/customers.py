"""Customers."""

from typing import Any

from config.workbench.fakestripe.errors import Json, invalid
from config.workbench.fakestripe.events import change, emit
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import merged_metadata, text
from config.workbench.fakestripe.payment_methods import attach, payment_method_named
from config.workbench.fakestripe.store import Store

WORDS = ("email", "name", "description", "phone", "business_name", "individual_name")
PLAIN = ("address", "shipping", "preferred_locales")


def create_customer(store: Store, parameters: Json) -> Json:
    customer = store.add(
        "customer",
        **{name: text(parameters, name) for name in WORDS},
        address=parameters.get("address") or None,
        balance=0,
        currency=None,
        customer_account=None,
        default_source=None,
        delinquent=False,
        discount=None,
        invoice_prefix=Store.new_id("customer")[4:12].upper(),
        invoice_settings={
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        metadata=merged_metadata({}, parameters),
        next_invoice_sequence=1,
        preferred_locales=parameters.get("preferred_locales") or [],
        shipping=parameters.get("shipping") or None,
        tax_exempt=parameters.get("tax_exempt") or "none",
        test_clock=None,
    )
    if name := text(parameters, "payment_method"):
        attach(store, payment_method_named(store, name), customer)
    _apply_invoice_settings(store, customer, parameters)
    emit(store, "customer.created", customer)
    return customer


def live_customer(store: Store, id_: Any, param: str = "id") -> Json:
    """Return a customer that has not been deleted."""
    customer = store.get("customer", id_, param)
    if customer.get("deleted"):
        raise invalid(f"No such customer: '{id_}'", param, "resource_missing")
    return customer


def retrieve_customer(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("customer", id_)


def update_customer(store: Store, parameters: Json, id_: str) -> Json:
    customer = live_customer(store, id_)
    fields: Json = {name: text(parameters, name) for name in WORDS if name in parameters}
    fields |= {name: parameters[name] or None for name in PLAIN if name in parameters}
    if "tax_exempt" in parameters:
        fields["tax_exempt"] = parameters["tax_exempt"] or "none"
    fields["metadata"] = merged_metadata(customer["metadata"], parameters)
    fields["invoice_settings"] = _invoice_settings(store, customer, parameters)
    return change(store, "customer.updated", customer, **fields)


def delete_customer(store: Store, _parameters: Json, id_: str) -> Json:
    customer = live_customer(store, id_)
    for subscription in store.all("subscription", customer=id_):
        if subscription["status"] not in {"canceled", "incomplete_expired"}:
            ended = {"status": "canceled", "canceled_at": store.now(), "ended_at": store.now()}
            store.update(subscription, **ended)
            emit(store, "customer.subscription.deleted", subscription)
    emit(store, "customer.deleted", customer)
    return store.put("customer", {"id": id_, "object": "customer", "deleted": True, "created": customer["created"]})


def list_customers(store: Store, parameters: Json) -> Json:
    there = [customer for customer in store.all("customer") if not customer.get("deleted")]
    return page(store, "customer", parameters, url="/v1/customers", items=there)


def _apply_invoice_settings(store: Store, customer: Json, parameters: Json) -> None:
    store.update(customer, invoice_settings=_invoice_settings(store, customer, parameters))


def _invoice_settings(store: Store, customer: Json, parameters: Json) -> Json:
    wanted = parameters.get("invoice_settings") or {}
    settings = dict(customer["invoice_settings"])
    if "default_payment_method" in wanted:
        id_ = wanted["default_payment_method"] or None
        if id_ is not None:
            _refuse_strange_card(store, customer, id_)
        settings["default_payment_method"] = id_
    if "footer" in wanted:
        settings["footer"] = wanted["footer"] or None
    return settings


def _refuse_strange_card(store: Store, customer: Json, id_: str) -> None:
    param = "invoice_settings[default_payment_method]"
    if store.get("payment_method", id_, param)["customer"] != customer["id"]:
        message = (
            "The customer does not have a payment method with the ID {}. The payment method must be attached to "
            "the customer."
        )
        raise invalid(message.format(id_), param, "resource_missing")
