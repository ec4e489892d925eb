"""Payment methods (cards) and the setup intents that save them."""

from typing import Any

from config.workbench.fakestripe.cards import Card, card_details, card_named, read_card
from config.workbench.fakestripe.errors import CardDeclinedError, Json, invalid, missing
from config.workbench.fakestripe.events import change, emit
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import choice, flag, merged_metadata, required, required_number, text
from config.workbench.fakestripe.store import Store

EXPIRY_OF_NAMED = (12, 2040)
NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}


def create_payment_method(store: Store, parameters: Json) -> Json:
    choice(parameters, "type", ("card",))
    details = required(parameters, "card")
    if token := details.get("token"):
        return add_card(store, card_named(token), *EXPIRY_OF_NAMED, parameters)
    month, year = required_number(details, "exp_month"), required_number(details, "exp_year")
    card = read_card(required(details, "number"), month, year, details.get("cvc"), as_of=store.now())
    return add_card(store, card, month, year, parameters)


def add_card(store: Store, card: Card, month: int, year: int, parameters: Json | None = None) -> Json:
    """Create a payment method that no customer has yet."""
    given = parameters or {}
    billing = {"address": NO_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}
    return store.add(
        "payment_method",
        allow_redisplay=given.get("allow_redisplay") or "unspecified",
        billing_details=billing | (given.get("billing_details") or {}),
        card=card_details(card, month, year),
        customer=None,
        customer_account=None,
        metadata=merged_metadata({}, given),
        type="card",
        _card=card.name,
    )


def payment_method_named(store: Store, name: str, param: str = "payment_method") -> Json:
    """Return the payment method with this id; `pm_card_visa` and its siblings create a new one."""
    if name.startswith("pm_card_"):
        return add_card(store, card_named(name), *EXPIRY_OF_NAMED)
    return store.get("payment_method", name, param)


def card_of(method: Json) -> Card:
    return card_named(method["_card"])


def attach(store: Store, method: Json, customer: Json) -> Json:
    """Attach a card to a customer. Raise if the bank declines it."""
    if method["customer"] == customer["id"]:
        return method
    if method["customer"]:
        raise invalid("The payment method you provided has already been attached to a customer.", "payment_method")
    card_of(method).refuse_when_saved()
    store.update(method, customer=customer["id"])
    emit(store, "payment_method.attached", method)
    return method


def attach_payment_method(store: Store, parameters: Json, id_: str) -> Json:
    customer = store.get("customer", required(parameters, "customer"), "customer")
    return attach(store, payment_method_named(store, id_, "id"), customer)


def detach_payment_method(store: Store, _parameters: Json, id_: str) -> Json:
    method = store.get("payment_method", id_)
    if not method["customer"]:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible.", "id"
        )
    customer = store.get("customer", method["customer"])
    settings = customer["invoice_settings"]
    store.update(method, customer=None)
    emit(store, "payment_method.detached", method, {"customer": customer["id"]})
    if settings["default_payment_method"] == id_:
        change(store, "customer.updated", customer, invoice_settings=settings | {"default_payment_method": None})
    return method


def retrieve_payment_method(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("payment_method", id_)


def update_payment_method(store: Store, parameters: Json, id_: str) -> Json:
    method = store.get("payment_method", id_)
    fields: Json = {"metadata": merged_metadata(method["metadata"], parameters)}
    if parameters.get("billing_details"):
        fields["billing_details"] = method["billing_details"] | parameters["billing_details"]
    return change(store, "payment_method.updated", method, **fields)


def list_payment_methods(store: Store, parameters: Json) -> Json:
    required(parameters, "customer")
    return page(store, "payment_method", parameters, url="/v1/payment_methods")


def list_payment_methods_of_customer(store: Store, parameters: Json, id_: str) -> Json:
    customer = store.get("customer", id_)
    url = f"/v1/customers/{id_}/payment_methods"
    return page(store, "payment_method", {**parameters, "customer": customer["id"]}, url=url)


# Setup intents


def create_setup_intent(store: Store, parameters: Json) -> Json:
    customer = text(parameters, "customer")
    if customer:
        store.get("customer", customer, "customer")
    intent = new_setup_intent(
        store, customer, merged_metadata({}, parameters), parameters.get("usage") or "off_session"
    )
    if name := text(parameters, "payment_method"):
        store.update(intent, payment_method=payment_method_named(store, name)["id"], status="requires_confirmation")
    if flag(parameters, "confirm", default=False):
        return confirm_setup_intent(store, {}, intent["id"])
    return intent


def new_setup_intent(store: Store, customer: str | None, metadata: Json, usage: str = "off_session") -> Json:
    intent = store.add(
        "setup_intent",
        application=None,
        automatic_payment_methods=None,
        cancellation_reason=None,
        client_secret=None,
        customer=customer,
        customer_account=None,
        description=None,
        flow_directions=None,
        last_setup_error=None,
        latest_attempt=None,
        mandate=None,
        metadata=metadata,
        next_action=None,
        on_behalf_of=None,
        payment_method=None,
        payment_method_options={},
        payment_method_types=["card"],
        single_use_mandate=None,
        status="requires_payment_method",
        usage=usage,
    )
    store.update(intent, client_secret=f"{intent['id']}_secret_fake")
    emit(store, "setup_intent.created", intent)
    return intent


def confirm_setup_intent(store: Store, parameters: Json, id_: str) -> Json:
    intent = store.get("setup_intent", id_)
    name: Any = text(parameters, "payment_method") or intent["payment_method"]
    if not name:
        raise missing("payment_method")
    if intent["status"] in {"succeeded", "canceled"}:
        raise invalid(f"This SetupIntent's status is {intent['status']}.", "intent", "setup_intent_unexpected_state")
    complete_setup_intent(store, intent, payment_method_named(store, name))
    return intent


def complete_setup_intent(store: Store, intent: Json, method: Json) -> None:
    """Save the card with the customer. If the bank declines it, raise and store the reason."""
    try:
        if intent["customer"]:
            attach(store, method, store.get("customer", intent["customer"]))
        else:
            card_of(method).refuse_when_saved()
    except CardDeclinedError as refused:
        store.update(intent, status="requires_payment_method", last_setup_error=dict(refused.error))
        emit(store, "setup_intent.setup_failed", intent)
        raise
    store.update(intent, status="succeeded", payment_method=method["id"], last_setup_error=None)
    emit(store, "setup_intent.succeeded", intent)


def cancel_setup_intent(store: Store, parameters: Json, id_: str) -> Json:
    intent = store.get("setup_intent", id_)
    reason = parameters.get("cancellation_reason")
    return change(store, "setup_intent.canceled", intent, status="canceled", cancellation_reason=reason)


def retrieve_setup_intent(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("setup_intent", id_)


def list_setup_intents(store: Store, parameters: Json) -> Json:
    return page(store, "setup_intent", parameters, url="/v1/setup_intents")
