"""Checkout sessions: what a customer agrees to and pays, and the outcome."""

from config.workbench.fakestripe.cards import Card, read_card
from config.workbench.fakestripe.customers import create_customer, live_customer
from config.workbench.fakestripe.errors import CardDeclinedError, Json, StripeError, invalid
from config.workbench.fakestripe.events import change, emit
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import choice, merged_metadata, number, required, text
from config.workbench.fakestripe.payment_methods import (
    add_card,
    attach,
    card_of,
    complete_setup_intent,
    new_setup_intent,
)
from config.workbench.fakestripe.payments import new_intent, save_and_charge
from config.workbench.fakestripe.rendering import list_of, render
from config.workbench.fakestripe.store import Store
from config.workbench.fakestripe.subscription_calls import read_lines
from config.workbench.fakestripe.subscriptions import amount_of, new_subscription, start

DAY = 86_400
MODES = ("payment", "setup", "subscription")


def create_session(store: Store, parameters: Json) -> Json:
    mode = choice(parameters, "mode", MODES)
    success_url = required(parameters, "success_url")
    customer = text(parameters, "customer")
    if customer:
        live_customer(store, customer, "customer")
    lines = read_lines(store, parameters.get("line_items") or [], "line_items")
    _refuse_lines(mode, lines, parameters)
    total = sum(amount_of(line["price"], line["quantity"]) for line in lines if _is_licensed(line))
    currency = lines[0]["price"]["currency"] if lines else text(parameters, "currency")
    session = store.add(
        "checkout.session",
        **_constant_fields(),
        amount_subtotal=total if lines else None,
        amount_total=total if lines else None,
        cancel_url=text(parameters, "cancel_url"),
        client_reference_id=text(parameters, "client_reference_id"),
        currency=currency,
        custom_text=_custom_text(parameters),
        customer=customer,
        customer_email=text(parameters, "customer_email"),
        expires_at=number(parameters, "expires_at", store.now() + DAY),
        metadata=merged_metadata({}, parameters),
        mode=mode,
        payment_method_collection=choice(parameters, "payment_method_collection", ("always", "if_required"), "always")
        if mode == "subscription"
        else None,
        payment_status="no_payment_required" if mode == "setup" else "unpaid",
        success_url=success_url,
        _line_items=[_shown_line(store, line) for line in lines],
        _lines=[{"price": line["price"]["id"], "quantity": line["quantity"]} for line in lines],
        _subscription_data=parameters.get("subscription_data") or {},
        _setup_intent_data=parameters.get("setup_intent_data") or {},
        _payment_intent_data=parameters.get("payment_intent_data") or {},
        _error=None,
    )
    if mode == "setup":
        metadata = merged_metadata({}, session["_setup_intent_data"])
        store.update(session, setup_intent=new_setup_intent(store, customer, metadata)["id"])
    return session


def _refuse_lines(mode: str, lines: list[Json], parameters: Json) -> None:
    if mode == "setup":
        if lines:
            raise invalid("You can not pass `line_items` in `setup` mode.", "line_items")
        return
    if not lines:
        raise invalid(f"Missing required param: line_items. (mode is `{mode}`)", "line_items", "parameter_missing")
    is_recurring = any(line["price"]["recurring"] for line in lines)
    if mode == "subscription" and not is_recurring:
        raise invalid("You must provide at least one recurring price in `subscription` mode when using prices.", "mode")
    if mode == "payment" and is_recurring:
        message = (
            "You specified `payment` mode but passed a recurring price. "
            "Either switch to `subscription` mode or use only one-time prices."
        )
        raise invalid(message, "mode")
    if mode == "payment" and parameters.get("payment_method_collection"):
        raise invalid("`payment_method_collection` is for `subscription` mode.", "payment_method_collection")


def _constant_fields() -> Json:
    return {
        "adaptive_pricing": None,
        "after_expiration": None,
        "allow_promotion_codes": None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "currency_conversion": None,
        "custom_fields": [],
        "customer_account": None,
        "customer_creation": None,
        "customer_details": None,
        "discounts": [],
        "invoice": None,
        "invoice_creation": None,
        "locale": None,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "wallet_options": None,
    }


def _custom_text(parameters: Json) -> Json:
    names = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    return {name: (parameters.get("custom_text") or {}).get(name) or None for name in names}


def _is_licensed(line: Json) -> bool:
    return (line["price"]["recurring"] or {}).get("usage_type") != "metered"


def _shown_line(store: Store, line: Json) -> Json:
    price = line["price"]
    amount = amount_of(price, line["quantity"]) if _is_licensed(line) else 0
    return {
        "id": "li" + Store.new_id("subscription_item")[2:],
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": store.get("product", price["product"])["name"],
        "metadata": {},
        "price": render(store, price),
        "quantity": line["quantity"],
    }


def retrieve_session(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("checkout.session", id_)


def update_session(store: Store, parameters: Json, id_: str) -> Json:
    session = store.get("checkout.session", id_)
    return store.update(session, metadata=merged_metadata(session["metadata"], parameters))


def list_sessions(store: Store, parameters: Json) -> Json:
    return page(store, "checkout.session", parameters, url="/v1/checkout/sessions")


def list_session_lines(store: Store, _parameters: Json, id_: str) -> Json:
    session = store.get("checkout.session", id_)
    return list_of(f"/v1/checkout/sessions/{id_}/line_items", session["_line_items"])


def expire_session(store: Store, _parameters: Json, id_: str) -> Json:
    session = store.get("checkout.session", id_)
    if session["status"] != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of {session['status']}."
        )
        raise invalid(message, "session")
    return change(store, "checkout.session.expired", session, status="expired")


# What the customer does on the page


def complete_session(store: Store, session: Json, *, number: str, month: int, year: int, cvc: str, name: str) -> None:
    """Pay with this card. Raise if it is declined, and leave the session open for another card."""
    if session["status"] != "open":
        raise StripeError(f"This Checkout Session is {session['status']}.")
    card = read_card(number, month, year, cvc, as_of=store.now())
    customer = _customer_of(store, session, name)
    method = add_card(store, card, month, year, {"billing_details": {"name": name, "email": customer["email"]}})
    {"subscription": _subscribe, "setup": _set_up, "payment": _pay}[session["mode"]](store, session, customer, method)
    details = {name: customer[name] for name in ("email", "name", "phone", "tax_exempt")}
    store.update(
        session,
        status="complete",
        payment_status="no_payment_required" if session["mode"] == "setup" else "paid",
        customer=customer["id"],
        customer_details={**details, "address": method["billing_details"]["address"], "tax_ids": []},
    )
    emit(store, "checkout.session.completed", session)


def _customer_of(store: Store, session: Json, name: str) -> Json:
    if session["customer"]:
        return live_customer(store, session["customer"], "customer")
    customer = create_customer(store, {"email": session["customer_email"] or "", "name": name})
    store.update(session, customer=customer["id"])
    return customer


def _subscribe(store: Store, session: Json, customer: Json, method: Json) -> None:
    card: Card = card_of(method)
    if card.refusal is not None and session["amount_total"]:
        raise CardDeclinedError(card.refusal.message, code=card.refusal.code, decline_code=card.refusal.decline_code)
    attach(store, method, customer)
    data = session["_subscription_data"]
    lines = [{**line, "price": store.get("price", line["price"])} for line in session["_lines"]]
    subscription = new_subscription(
        store,
        customer,
        lines,
        trial_days=number(data, "trial_period_days"),
        # Checkout sets the card on the subscription, and leaves the customer's own default alone.
        default_payment_method=method["id"],
        description=text(data, "description"),
        metadata=merged_metadata({}, data),
    )
    start(store, subscription)
    store.update(session, subscription=subscription["id"], invoice=subscription["latest_invoice"])


def _set_up(store: Store, session: Json, customer: Json, method: Json) -> None:
    intent = store.get("setup_intent", session["setup_intent"])
    store.update(intent, customer=customer["id"])
    complete_setup_intent(store, intent, method)


def _pay(store: Store, session: Json, customer: Json, method: Json) -> None:
    intent = new_intent(
        store,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer["id"],
        description=None,
        metadata=merged_metadata({}, session["_payment_intent_data"]),
    )
    if refused := save_and_charge(store, intent, method):
        raise refused
    store.update(session, payment_intent=intent["id"])
