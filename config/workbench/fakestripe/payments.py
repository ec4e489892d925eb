"""Payment intents, and their charges of a card."""

from config.workbench.fakestripe.cards import Refusal, declined
from config.workbench.fakestripe.customers import live_customer
from config.workbench.fakestripe.errors import CardDeclinedError, Json, invalid, missing
from config.workbench.fakestripe.events import change, emit
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import flag, merged_metadata, required, required_number, text
from config.workbench.fakestripe.payment_methods import attach, card_of, payment_method_named
from config.workbench.fakestripe.payouts import add_entry
from config.workbench.fakestripe.store import Store


def new_intent(
    store: Store, *, amount: int, currency: str, customer: str | None, description: str | None, metadata: Json
) -> Json:
    intent = store.add(
        "payment_intent",
        amount=amount,
        amount_capturable=0,
        amount_details={"tip": {}},
        amount_received=0,
        application=None,
        application_fee_amount=None,
        automatic_payment_methods=None,
        canceled_at=None,
        cancellation_reason=None,
        capture_method="automatic",
        client_secret=None,
        confirmation_method="automatic",
        currency=currency,
        customer=customer,
        customer_account=None,
        description=description,
        last_payment_error=None,
        latest_charge=None,
        metadata=metadata,
        next_action=None,
        on_behalf_of=None,
        payment_method=None,
        payment_method_configuration_details=None,
        payment_method_options={},
        payment_method_types=["card"],
        processing=None,
        receipt_email=None,
        review=None,
        setup_future_usage=None,
        shipping=None,
        source=None,
        statement_descriptor=None,
        statement_descriptor_suffix=None,
        status="requires_payment_method",
        transfer_data=None,
        transfer_group=None,
    )
    store.update(intent, client_secret=f"{intent['id']}_secret_fake")
    emit(store, "payment_intent.created", intent)
    return intent


def charge_card(store: Store, intent: Json, method: Json, *, is_on_page: bool = False) -> Json:
    """Charge the card. If the bank declines it, store the failed attempt and raise."""
    card = card_of(method)
    refusal = None if is_on_page and card.is_confirmed_by_customer else card.refusal
    charge = _new_charge(store, intent, method, refusal)
    if refusal is None:
        store.update(
            intent,
            status="succeeded",
            amount_received=intent["amount"],
            payment_method=method["id"],
            latest_charge=charge["id"],
            last_payment_error=None,
        )
        emit(store, "charge.succeeded", charge)
        emit(store, "payment_intent.succeeded", intent)
        return charge
    error = declined(refusal, charge=charge["id"])
    last_error = {**error.error, "payment_method": dict(_shown(method))}
    store.update(
        intent,
        status="requires_payment_method",
        payment_method=None,
        latest_charge=charge["id"],
        last_payment_error=last_error,
    )
    emit(store, "charge.failed", charge)
    emit(store, "payment_intent.payment_failed", intent)
    error.error["payment_intent"] = dict(_shown(intent))
    raise error


def _shown(item: Json) -> Json:
    return {name: value for name, value in item.items() if not name.startswith("_")}


def _new_charge(store: Store, intent: Json, method: Json, refusal: Refusal | None) -> Json:
    has_succeeded = refusal is None
    charge = store.add(
        "charge",
        amount=intent["amount"],
        amount_captured=intent["amount"] if has_succeeded else 0,
        amount_refunded=0,
        application=None,
        application_fee=None,
        application_fee_amount=None,
        balance_transaction=None,
        billing_details=method["billing_details"],
        calculated_statement_descriptor="COUNTINGHOUSE FAKE",
        captured=has_succeeded,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        disputed=False,
        failure_balance_transaction=None,
        failure_code=refusal.code if refusal else None,
        failure_message=refusal.message if refusal else None,
        fraud_details={},
        metadata=intent["metadata"],
        on_behalf_of=None,
        outcome=_outcome(refusal),
        paid=has_succeeded,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={"card": method["card"], "type": "card"},
        radar_options={},
        receipt_email=None,
        receipt_number=None,
        receipt_url=None,
        refunded=False,
        review=None,
        shipping=None,
        source=None,
        source_transfer=None,
        statement_descriptor=None,
        statement_descriptor_suffix=None,
        status="succeeded" if has_succeeded else "failed",
        transfer_data=None,
        transfer_group=None,
    )
    if has_succeeded:
        store.update(charge, balance_transaction=add_entry(store, charge, charge["amount"], "charge")["id"])
    return charge


def _outcome(refusal: Refusal | None) -> Json:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if refusal else "approved_by_network",
        "reason": (refusal.decline_code or refusal.code) if refusal else None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank returned a refusal." if refusal else "Payment complete.",
        "type": "issuer_declined" if refusal else "authorized",
    }


# The calls


def create_payment_intent(store: Store, parameters: Json) -> Json:
    amount = required_number(parameters, "amount")
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    customer = text(parameters, "customer")
    if customer:
        live_customer(store, customer, "customer")
    intent = new_intent(
        store,
        amount=amount,
        currency=required(parameters, "currency").lower(),
        customer=customer,
        description=text(parameters, "description"),
        metadata=merged_metadata({}, parameters),
    )
    if name := text(parameters, "payment_method"):
        method = payment_method_named(store, name)
        store.update(intent, payment_method=method["id"], status="requires_confirmation")
    if flag(parameters, "confirm", default=False):
        return confirm_payment_intent(store, {}, intent["id"])
    return intent


def confirm_payment_intent(store: Store, parameters: Json, id_: str) -> Json:
    intent = store.get("payment_intent", id_)
    if intent["status"] in {"succeeded", "canceled"}:
        message = f"This PaymentIntent's status is {intent['status']}."
        raise invalid(message, "intent", "payment_intent_unexpected_state")
    name = text(parameters, "payment_method") or intent["payment_method"]
    if not name:
        raise missing("payment_method")
    charge_card(store, intent, payment_method_named(store, name))
    return intent


def cancel_payment_intent(store: Store, parameters: Json, id_: str) -> Json:
    intent = store.get("payment_intent", id_)
    if intent["status"] == "succeeded":
        message = "You cannot cancel this PaymentIntent because it has a status of succeeded."
        raise invalid(message, "intent", "payment_intent_unexpected_state")
    reason = text(parameters, "cancellation_reason")
    fields = {"status": "canceled", "canceled_at": store.now(), "cancellation_reason": reason}
    return change(store, "payment_intent.canceled", intent, **fields)


def retrieve_payment_intent(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("payment_intent", id_)


def list_payment_intents(store: Store, parameters: Json) -> Json:
    return page(store, "payment_intent", parameters, url="/v1/payment_intents")


def retrieve_charge(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("charge", id_)


def list_charges(store: Store, parameters: Json) -> Json:
    return page(store, "charge", parameters, url="/v1/charges")


def retrieve_balance_transaction(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("balance_transaction", id_)


def save_and_charge(store: Store, intent: Json, method: Json) -> CardDeclinedError | None:
    """Charge a card, and save it with the customer if it pays. Return the error if it is declined."""
    try:
        charge_card(store, intent, method, is_on_page=True)
    except CardDeclinedError as refused:
        return refused
    if intent["customer"] and not method["customer"]:
        attach(store, method, store.get("customer", intent["customer"]))
    return None
